// Searchkit's server side: what its InstantSearch widgets ask, as its documentation sets it up. It only reads, so plain
// requests fill the index and take it away.
import createClient from "@searchkit/api";
import { DOCUMENTS, MAPPINGS, SETTINGS, TARGET, run } from "./steps.mjs";

const { index, absent, url, username, password, apiKey } = TARGET;
const basic = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
const authorization = apiKey ? { authorization: `ApiKey ${apiKey}` } : username ? { authorization: basic } : {};
const searchkit = createClient({
  connection: { host: url, ...(apiKey ? { apiKey } : username ? { auth: { username, password } } : {}) },
  search_settings: {
    search_attributes: [{ field: "title", weight: 3 }, "text"],
    result_attributes: ["title", "tag"],
    highlight_attributes: ["title"],
    facet_attributes: [
      { attribute: "tag", field: "tag", type: "string" },
      { attribute: "year", field: "year", type: "numeric" },
    ],
    sorting: { default: { field: "_score", order: "desc" }, _year: { field: "year", order: "asc" } },
  },
});

// It tells its reader on the console what went wrong; the exception says the same.
console.error = () => {};

async function send(method, path, body) {
  const headers = { "content-type": "application/json", ...authorization };
  const answer = await fetch(`${url}${path}`, { method, headers, body });
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function ask(...params) {
  const { results } = await searchkit.handleRequest(params.map((one) => ({ indexName: index, params: one })));
  return results.map(({ hits, nbHits, facets, page, nbPages }) => ({
    hits: hits.map((hit) => [hit.objectID, hit._highlightResult?.title?.value ?? ""]),
    nbHits,
    facets,
    page,
    nbPages,
  }));
}

async function fill() {
  await send("PUT", `/${index}`, JSON.stringify({ settings: SETTINGS, mappings: MAPPINGS }));
  const lines = Object.entries(DOCUMENTS).flatMap(([_id, one]) => [{ index: { _index: index, _id } }, one]);
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const answer = await send("POST", "/_bulk?refresh=true", body);
  return { done: answer.items.length, errors: answer.errors };
}

const search = () => ask({ query: "river", hitsPerPage: 5 });
const pages = () => ask({ query: "river", hitsPerPage: 3, page: 1 }, { query: "river", hitsPerPage: 3, page: 2 });
const facets = () => ask({ query: "river", facets: ["tag", "year"], hitsPerPage: 4 });
const refined = () => ask({ query: "river", facets: ["tag"], facetFilters: [["tag:water"]] }, { query: "", facets: "tag" });
const range = () => ask({ query: "mill", numericFilters: ["year>=1904", "year<=1913"] });

async function facetValues() {
  const request = { indexName: index, params: { query: "", facetName: "tag", facetQuery: "wa" } };
  return (await searchkit.handleRequest([request])).results.map((one) => one.facetHits);
}

async function sorted() {
  const request = { indexName: `${index}_year`, params: { query: "river", hitsPerPage: 4 } };
  return (await searchkit.handleRequest([request])).results[0].hits.map((hit) => hit.objectID);
}

async function errors() {
  let said = "nothing";
  try {
    await searchkit.handleRequest([{ indexName: absent, params: { query: "river" } }]);
  } catch (error) {
    said = JSON.parse(error.message).responses[0].error.type;
  }
  if (said !== "index_not_found_exception") throw new Error(said);
  return { said, gone: (await send("DELETE", `/${index}`)).acknowledged };
}

await run({
  "index documents": fill,
  search,
  pages,
  facets,
  "filter by facet": refined,
  "filter by range": range,
  "facet values": facetValues,
  sort: sorted,
  errors,
});
