// elasticsearch-js 8 and 9: which of them is imported, the variable CLIENT says.
import { DOCUMENTS, MAPPINGS, MILL, RIVER, SETTINGS, TAGS, TARGET, WRONG, refused, run, seen } from "./steps.mjs";

const { Client } = await import(process.env.CLIENT);
const { index, absent, url, username, password, apiKey } = TARGET;
const auth = apiKey ? { apiKey } : username ? { username, password } : undefined;
const client = new Client({ node: url, maxRetries: 0, auth });

async function info() {
  const answer = await client.info();
  return { ping: await client.ping(), version: answer.version.number, tagline: answer.tagline };
}

async function createIndex() {
  await client.indices.delete({ index }, { ignore: [404] });
  const made = await client.indices.create({ index, settings: SETTINGS, mappings: MAPPINGS });
  const mapping = await client.indices.getMapping({ index });
  const exists = await client.indices.exists({ index });
  return { made: made.acknowledged, exists, fields: mapping[index].mappings.properties };
}

async function bulk() {
  const datasource = Object.entries(DOCUMENTS);
  const onDocument = ([_id, document]) => [{ index: { _index: index, _id } }, document];
  const stats = await client.helpers.bulk({ datasource, onDocument, refreshOnCompletion: index });
  return { done: stats.successful, errors: stats.failed ? stats : [] };
}

async function search() {
  const answer = await client.search({ index, query: RIVER, size: 5, aggs: TAGS, _source: ["title"] });
  return { ...seen(answer.hits), tags: answer.aggregations.tags.buckets };
}

async function msearch() {
  const searches = [{ index }, { query: RIVER }, { index }, { query: MILL, size: 2 }, { index: absent }, { query: RIVER }];
  const { responses } = await client.msearch({ searches });
  const failed = responses.pop();
  return { found: responses.map((one) => seen(one.hits)), failed: failed.error.type };
}

async function scroll() {
  const found = [];
  for await (const page of client.helpers.scrollSearch({ index, query: RIVER, size: 3, sort: ["_doc"] })) {
    found.push(...page.body.hits.hits.map((hit) => hit._id));
  }
  return found;
}

async function pit() {
  const { id } = await client.openPointInTime({ index, keep_alive: "1m" });
  const page = { pit: { id, keep_alive: "1m" }, query: RIVER, size: 4, sort: [{ year: "asc" }] };
  const first = await client.search(page);
  const second = await client.search({ ...page, search_after: first.hits.hits.at(-1).sort });
  await client.closePointInTime({ id });
  return [seen(first.hits), seen(second.hits)];
}

async function count() {
  return (await client.count({ index, query: RIVER })).count;
}

async function update() {
  const { result } = await client.update({ index, id: "b05", doc: { tag: "water" }, refresh: true });
  return { result, now: (await client.get({ index, id: "b05" }))._source };
}

async function remove() {
  const { result } = await client.delete({ index, id: "b05", refresh: true });
  return { result, exists: await client.exists({ index, id: "b05" }) };
}

async function errors() {
  return {
    absent: await refused(() => client.search({ index: absent, query: RIVER }), 404),
    wrong: await refused(() => client.search({ index, query: WRONG }), 400),
    gone: (await client.indices.delete({ index })).acknowledged,
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
