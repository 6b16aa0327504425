// opensearch-js 3.
import { Client } from "opensearch";
import { DOCUMENTS, MAPPINGS, MILL, RIVER, SETTINGS, TAGS, TARGET, WRONG, refused, run, seen } from "./steps.mjs";

const { index, absent, url, username, password, apiKey } = TARGET;
const client = new Client({
  node: url,
  maxRetries: 0,
  auth: username && !apiKey ? { username, password } : undefined,
  headers: apiKey ? { authorization: `ApiKey ${apiKey}` } : {},
});

async function info() {
  const { body } = await client.info();
  return { ping: (await client.ping()).body, version: body.version.number, tagline: body.tagline };
}

async function createIndex() {
  await client.indices.delete({ index }, { ignore: [404] });
  const made = await client.indices.create({ index, body: { settings: SETTINGS, mappings: MAPPINGS } });
  const mapping = await client.indices.getMapping({ index });
  const exists = await client.indices.exists({ index });
  return { made: made.body.acknowledged, exists: exists.body, fields: mapping.body[index].mappings.properties };
}

async function bulk() {
  const datasource = Object.keys(DOCUMENTS);
  const body = datasource.flatMap((_id) => [{ index: { _index: index, _id } }, DOCUMENTS[_id]]);
  const answer = await client.bulk({ body, refresh: true });
  const { items, errors: failed } = answer.body;
  return { done: items.length, errors: failed ? items : [] };
}

async function search() {
  const body = { query: RIVER, size: 5, aggs: TAGS, _source: ["title"] };
  const answer = await client.search({ index, body });
  return { ...seen(answer.body.hits), tags: answer.body.aggregations.tags.buckets };
}

async function msearch() {
  const body = [{ index }, { query: RIVER }, { index }, { query: MILL, size: 2 }, { index: absent }, { query: RIVER }];
  const { responses } = (await client.msearch({ body })).body;
  const failed = responses.pop();
  return { found: responses.map((one) => seen(one.hits)), failed: failed.error.type };
}

async function scroll() {
  const found = [];
  const body = { query: RIVER, size: 3, sort: ["_doc"] };
  for await (const page of client.helpers.scrollSearch({ index, body })) {
    found.push(...page.body.hits.hits.map((hit) => hit._id));
  }
  return found;
}

async function pit() {
  const { pit_id: id } = (await client.createPit({ index, keep_alive: "1m" })).body;
  const body = { pit: { id, keep_alive: "1m" }, query: RIVER, size: 4, sort: [{ year: "asc" }] };
  const first = (await client.search({ body })).body.hits;
  const second = (await client.search({ body: { ...body, search_after: first.hits.at(-1).sort } })).body.hits;
  await client.deletePit({ body: { pit_id: [id] } });
  return [seen(first), seen(second)];
}

async function count() {
  return (await client.count({ index, body: { query: RIVER } })).body.count;
}

async function update() {
  const { result } = (await client.update({ index, id: "b05", body: { doc: { tag: "water" } }, refresh: true })).body;
  return { result, now: (await client.get({ index, id: "b05" })).body._source };
}

async function remove() {
  const { result } = (await client.delete({ index, id: "b05", refresh: true })).body;
  return { result, exists: (await client.exists({ index, id: "b05" })).body };
}

async function errors() {
  return {
    absent: await refused(() => client.search({ index: absent, body: { query: RIVER } }), 404),
    wrong: await refused(() => client.search({ index, body: { query: WRONG } }), 400),
    gone: (await client.indices.delete({ index })).body.acknowledged,
  };
}

await run({
  info,
  "create index": createIndex,
  bulk,
  search,
  msearch,
  scroll,
  PIT: pit,
  count,
  update,
  delete: remove,
  errors,
});
