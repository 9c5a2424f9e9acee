/** The module that vite.config.ts makes of texts.ts. */
declare module "virtual:texts" {
  const texts: import("./texts.ts").Texts;
  export default texts;
}
