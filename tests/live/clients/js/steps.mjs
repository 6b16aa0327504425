// What the programs share: where the engine is, the documents, and one JSON object about what came of each step.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const DOCUMENTS = JSON.parse(readFileSync(join(here, "..", "documents.json"), "utf8"));
export const SETTINGS = { number_of_shards: 1, number_of_replicas: 0 };
export const MAPPINGS = {
  properties: {
    title: { type: "text" },
    text: { type: "text" },
    tag: { type: "keyword" },
    year: { type: "integer" },
  },
};
export const RIVER = { match: { text: "river" } };
export const MILL = { match: { text: "mill" } };
export const WRONG = { matsch: { text: "river" } };
export const TAGS = { tags: { terms: { field: "tag" } } };

const environment = process.env;

// The address of an engine or an endpoint, an index to work in, and what is needed to be let in. The certificate of an
// engine is in NODE_EXTRA_CA_CERTS, which Node reads by itself.
export const TARGET = {
  url: process.argv[2],
  index: process.argv[3],
  absent: `${process.argv[3]}-absent`,
  username: environment.TARGET_USERNAME || "",
  password: environment.TARGET_PASSWORD || "",
  apiKey: environment.TARGET_API_KEY || "",
};

// Take the steps one by one, and print for each "ok" or its exception, and what it saw.
export async function run(steps) {
  const found = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      found[name] = { outcome: "ok", saw: await step() };
    } catch (error) {
      found[name] = { outcome: `${error.name}: ${reason(error)}`, saw: null };
    }
  }
  process.stdout.write(JSON.stringify(found));
}

// Say an engine's refusal by its status and reason, and anything else in its own words.
function reason(error) {
  const said = error.meta?.body?.error ?? error.meta?.body;
  if (!error.statusCode || !said) return error.message;
  return `${error.statusCode} ${said.caused_by?.reason ?? said.reason ?? (said.error || said)}`;
}

// Digest a page of hits: who is on it, in which order, with which score.
export function seen(hits) {
  return {
    total: hits.total.value ?? hits.total,
    ids: hits.hits.map((hit) => hit._id),
    scores: hits.hits.map((hit) => hit._score && Number(hit._score.toFixed(4))),
    sources: hits.hits.map((hit) => Object.keys(hit._source ?? {}).sort()),
  };
}

// Name the exception of a call that must fail with this status.
export async function refused(call, status) {
  try {
    await call();
  } catch (error) {
    if (error.statusCode !== status) throw error;
    return `${error.name} ${status}`;
  }
  throw new Error(`no ${status}`);
}
