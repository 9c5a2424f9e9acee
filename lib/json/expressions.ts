/**
 * Expressions: a constant is a number, an atom without properties its name, and everything else an object with one property, the name
 * of an operator or an atom: `{ "pow": [{ "add": ["value", 1e-7] }, -0.5] }`.
 */
import {
  atom,
  type BinaryOperator,
  binaryNumber,
  constant,
  type Expression,
  named,
  ofOperator,
  select,
  stopGradient,
  type UnaryOperator,
  unary,
  unaryNumber,
  within,
} from "../loss/expression.ts";
import {
  at,
  type Codec,
  isBare,
  type JSONValue,
  type Kinds,
  type Makers,
  number,
  object,
  onlyProperty,
  optional,
  type Properties,
  readNumber,
  text,
  unknownKind,
  writeNumber,
  wrong,
} from "./codec.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** The nodes that have names for their parts. */
type Composite<A> = Exclude<
  Expression<A>,
  { readonly kind: "constant" | "atom" | "unary" | "binary" | "stopGradient" }
>;

function composites<A>(self: Codec<Expression<A>>): Kinds<Composite<A>> {
  return {
    select: { left: self, right: self, whenLess: self, otherwise: self },
    within: {
      argument: self,
      lowest: optional(number, Number.NEGATIVE_INFINITY),
      highest: optional(number, Number.POSITIVE_INFINITY),
      where: text,
    },
    named: { name: text, body: self },
  };
}

function compose<A>(node: Composite<A>): Expression<A> {
  switch (node.kind) {
    case "select":
      return select(node.left, node.right, node.whenLess, node.otherwise);
    case "within":
      return within(node.argument, node.lowest, node.highest, node.where);
    case "named":
      return named(node.name, node.body);
  }
}

/** What stands under a name: how it is read, and, for atoms, whether its name alone will do. */
interface Variant<A> {
  readonly properties: Readonly<Record<string, Codec<never>>>;
  readonly codec: Codec<object>;
  readonly isAtom: boolean;
  readonly make: (value: object) => Expression<A>;
}

/** The codec of expressions over atoms of these kinds; `makers` are the constructors of those that check what they are given. */
export function expressions<A extends { readonly kind: string }>(
  kinds: () => Kinds<A>,
  makers: Makers<A, Expression<A>> = {},
): Codec<Expression<A>> {
  let known: ReadonlyMap<string, Variant<A>> | null = null;
  const variants = (): ReadonlyMap<string, Variant<A>> => {
    known ??= variantsOf(codec, kinds(), makers);
    return known;
  };

  const codec: Codec<Expression<A>> = {
    write: (e, writer, path) => {
      if (e.kind === "constant") return writeNumber(e.value);
      if (e.kind !== "atom") return writer.share(e, path, () => writeNode(e, writer, path));
      const { kind } = e.atom;
      const variant = variants().get(kind);
      if (variant === undefined || !variant.isAtom) throw unknownKind(path, kind);
      if (isBare(e.atom, variant.properties)) return kind;
      const write = (): JSONValue => ({ [kind]: variant.codec.write(e.atom, writer, `${path}.${kind}`) });
      return writer.share(e.atom, path, write);
    },
    read: (json, reader, path) => {
      const value = readNumber(json);
      if (value !== null) return constant(value);
      if (typeof json !== "string") {
        return reader.share(json, path, codec, (part, where) => readNode(part, reader, where));
      }
      const variant = variants().get(json);
      if (variant === undefined || !variant.isAtom) throw wrong(path, json, remedy());
      const properties = variant.codec.read({}, reader, path);
      return reader.leaf(json, () => at(path, () => variant.make({ kind: json, ...properties })));
    },
  };

  const writeNode = (
    e: Exclude<Expression<A>, { kind: "constant" | "atom" }>,
    writer: Writer,
    path: string,
  ): JSONValue => {
    switch (e.kind) {
      case "unary":
        return { [e.operator]: codec.write(e.argument, writer, `${path}.${e.operator}`) };
      case "stopGradient":
        return { stopGradient: codec.write(e.argument, writer, `${path}.stopGradient`) };
      case "binary": {
        const place = `${path}.${e.operator}`;
        return { [e.operator]: [e.left, e.right].map((side, i) => codec.write(side, writer, `${place}[${i}]`)) };
      }
      case "select":
      case "within":
      case "named": {
        const variant = variants().get(e.kind);
        if (variant === undefined) throw unknownKind(path, e.kind);
        return { [e.kind]: variant.codec.write(e, writer, `${path}.${e.kind}`) };
      }
    }
  };

  const readNode = (json: unknown, reader: Reader, path: string): Expression<A> => {
    const [name, content] = onlyProperty(json, path, remedy());
    const place = `${path}.${name}`;
    if (Object.hasOwn(unaryNumber, name)) return unary(name as UnaryOperator, codec.read(content, reader, place));
    if (name === "stopGradient") return stopGradient(codec.read(content, reader, place));
    if (Object.hasOwn(binaryNumber, name)) {
      if (!Array.isArray(content) || content.length !== 2)
        throw wrong(place, content, "Give an array of two expressions");
      const [left, right] = content.map((side, i) => codec.read(side, reader, `${place}[${i}]`));
      return ofOperator(name as BinaryOperator, left, right);
    }
    const variant = variants().get(name);
    if (variant === undefined) throw wrong(path, json, remedy());
    const properties = variant.codec.read(content, reader, place);
    return at(place, () => variant.make({ kind: name, ...properties }));
  };

  const remedy = (): string => {
    const atoms = [...variants()].flatMap(([name, { isAtom }]) => (isAtom ? [name] : []));
    return `Give a number, an operator of expressions, or one of ${atoms.join(", ")}`;
  };
  return codec;
}

function variantsOf<A extends { readonly kind: string }>(
  self: Codec<Expression<A>>,
  kinds: Kinds<A>,
  makers: Makers<A, Expression<A>>,
): ReadonlyMap<string, Variant<A>> {
  const variant = (properties: object, isAtom: boolean, make: (value: object) => Expression<A>): Variant<A> => ({
    properties: properties as Variant<A>["properties"],
    codec: object<object>(properties as Properties<object>),
    isAtom,
    make,
  });
  const byKind = makers as Readonly<Record<string, ((value: object) => Expression<A>) | undefined>>;
  return new Map([
    ...Object.entries(composites(self)).map(([kind, properties]): [string, Variant<A>] => [
      kind,
      variant(properties, false, (value) => compose(value as Composite<A>)),
    ]),
    ...Object.entries<object>(kinds).map(([kind, properties]): [string, Variant<A>] => [
      kind,
      variant(properties, true, byKind[kind] ?? ((value) => atom(value as A))),
    ]),
  ]);
}
