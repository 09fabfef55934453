"use strict";
// What the page shows comes from its server, piece by piece, when it is looked at.

const arrived = new Map();
const asked = new Map();
let state = null;

/** What an address asks for and is not here. */
class NotHere extends Error {}

async function get(address, options) {
  const response = await fetch(address, options).catch(() => null);
  if (!response) throw new NotHere("The server does not answer: is closedbook serve still running?");
  if (response.ok) return response;
  const said = await response.text();
  throw new NotHere(response.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(said).error : said);
}

const getJson = async (address, options) => (await get(address, options)).json();
const sending = (value, more) => ({method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(value), ...more});

/** A promise of a piece of the lineage. Each is asked for once, as long as the results stay what they are. */
function load(name) {
  if (!asked.has(name)) {
    asked.set(name, getJson(`/api/lineage/${name}`).then(data => arrived.set(name, data).get(name)));
    asked.get(name).catch(() => asked.delete(name));
  }
  return asked.get(name);
}

const writtenFile = (document, strategy) => `passages/${encodeURIComponent(strategy)}/${encodeURIComponent(document)}`;
const documentFile = document => `documents/${encodeURIComponent(document)}`;

/** Scores, runs, corpora and documents by their names, in the report's order. */
let index;

async function loadIndex() {
  const now = await getJson("/api/lineage/state");
  if (now === state) return;
  for (const pieces of [asked, arrived]) pieces.clear();
  const data = await load("index");
  const by = (rows, name) => new Map(rows.map(row => [row[name], row]));
  for (const corpus of data.corpora) corpus.documents = new Map(Object.entries(corpus.documents));
  for (const one of data.documents) one.written = new Map(Object.entries(one.written));
  index = {
    scores: by(data.scores, "run"),
    runs: by(data.runs, "run"),
    corpora: by(data.corpora, "corpus"),
    documents: by(data.documents, "id"),
    assistants: data.assistants,
    strategies: by(data.strategies, "name"),
    base: data.base,
  };
  state = now;
}

const runsOf = corpora => [...index.runs.values()].filter(run => corpora.includes(run.corpus));
const corporaOf = (document, strategy) => [...index.corpora.values()]
  .filter(corpus => corpus.documents.has(document) && (!strategy || strategy in corpus.strategies));
const numPassages = written => Object.values(written?.kinds ?? {}).reduce((sum, count) => sum + count, 0);

function known(rows, name, what) {
  if (!rows.has(name)) throw new NotHere(`There is no ${what} “${name}” here.`);
  return rows.get(name);
}
