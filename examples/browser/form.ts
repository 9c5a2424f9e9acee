/** The form: what it says as settings, and settings as what it says. */
import { element, made } from "./elements.ts";
import { failureOf } from "./failure.ts";
import { readOwnLoss } from "./losses.ts";
import { addressOf, readSettings, type Settings } from "./settings.ts";

export interface SettingsForm {
  /** What the form says; what it says wrongly is as it was before. */
  read(): Settings;
  /** Whether all that it says is right; what is not has its message beside it. */
  isRight(): boolean;
  /** Whether its settings can be changed. */
  enable(isEnabled: boolean): void;
}

/** Fills the form, keeps the page's address at what it says, and shows what is wrong as it is typed. */
export function makeSettingsForm(initial: Settings): SettingsForm {
  const form = element("settings", HTMLFormElement);
  const fields = element("fields", HTMLFieldSetElement);
  const problem = element("problem", HTMLElement);
  let settings = initial;

  const valuesOf = (): URLSearchParams => {
    // A form that cannot be changed would give nothing.
    const { disabled } = fields;
    fields.disabled = false;
    const pairs = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
    fields.disabled = disabled;
    return new URLSearchParams(pairs);
  };
  const problems = (): readonly string[] => {
    const given = valuesOf();
    const understood = readSettings(given, settings);
    ({ settings } = understood);
    const none = given.has("losses") ? [] : ["no loss is chosen; tick one at least"];
    return [...understood.problems, ...none];
  };
  const ofJSON = (): Node[] => {
    if (!settings.losses.includes("own")) return [];
    try {
      readOwnLoss(settings.json, settings.vocabulary);
      return [];
    } catch (error) {
      const { where, what, remedy } = failureOf(error);
      return [made("p", made("code", where ?? "your own loss"), ` ${what}. ${remedy}`)];
    }
  };
  const update = (): boolean => {
    const wrong = problems();
    const jsonProblem = ofJSON();
    problem.replaceChildren(...wrong.map((text) => made("p", text)));
    element("jsonProblem", HTMLElement).replaceChildren(...jsonProblem);
    element("json", HTMLTextAreaElement).setAttribute("aria-invalid", String(jsonProblem.length > 0));
    element("ownDetails", HTMLElement).hidden = !settings.losses.includes("own");
    for (const name of ["alpha", "gamma", "smoothing"] as const) {
      element(`${name}Value`, HTMLOutputElement).value = String(settings[name]);
    }
    return wrong.length === 0 && jsonProblem.length === 0;
  };

  fill(form, initial);
  update();
  form.addEventListener("input", update);
  // Not at each move of a slider: browsers bound how often an address may change.
  form.addEventListener("change", () => {
    history.replaceState(null, "", `${location.pathname}${addressOf(settings)}`);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return {
    read: () => settings,
    isRight: update,
    enable: (isEnabled) => {
      fields.disabled = !isEnabled;
    },
  };
}

function fill(form: HTMLFormElement, settings: Settings): void {
  for (const control of form.elements) {
    if (control instanceof HTMLInputElement && control.type === "checkbox") {
      control.checked = settings.losses.some((name) => name === control.value);
    } else if (
      control instanceof HTMLInputElement ||
      control instanceof HTMLSelectElement ||
      control instanceof HTMLTextAreaElement
    ) {
      if (control.name !== "") control.value = String(settings[control.name as keyof Settings]);
    }
  }
}
