"use strict";
// The data lie in small scripts beside the page, each of which calls lineage(NAME, DATA); they are loaded when they are looked at.

const arrived = new Map();
const asked = new Map();

function lineage(name, data) {
  arrived.set(name, data);
}

/** A promise of a data file. The name must be made of ids that the index holds, never of an address as it came. */
function load(name) {
  if (!asked.has(name)) asked.set(name, new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const missing = () => reject(new NotHere(`lineage/data/${name}.js can’t be read: dvc pull, or build the report again.`));
    script.src = `lineage/data/${name}.js`;
    script.onload = () => arrived.has(name) ? resolve(arrived.get(name)) : missing();
    script.onerror = missing;
    document.head.append(script);
  }));
  return asked.get(name);
}

const writtenFile = (document, strategy) => `passages/${strategy}/${document}`;
const documentFile = document => `documents/${document}`;

/** Scores, runs, corpora and documents by their names, in the report's order. */
let index;

async function loadIndex() {
  const data = await load("index");
  const by = (rows, name) => new Map(rows.map(row => [row[name], row]));
  for (const corpus of data.corpora) corpus.documents = new Map(Object.entries(corpus.documents));
  for (const one of data.documents) one.written = new Map(Object.entries(one.written));
  index = {
    scores: by(data.scores, "run"),
    runs: by(data.runs, "run"),
    corpora: by(data.corpora, "corpus"),
    documents: by(data.documents, "id"),
    strategies: by(data.strategies, "name"),
    base: data.runs[0].base,
  };
}

const runsOf = corpora => [...index.runs.values()].filter(run => corpora.includes(run.corpus));
const corporaOf = (document, strategy) => [...index.corpora.values()]
  .filter(corpus => corpus.documents.has(document) && (!strategy || strategy in corpus.strategies));
const numPassages = written => Object.values(written.kinds).reduce((sum, count) => sum + count, 0);

/** What an address asks for and this report, or this folder, does not hold. */
class NotHere extends Error {}

function known(rows, name, what) {
  if (!rows.has(name)) throw new NotHere(`There is no ${what} “${name}” in this report.`);
  return rows.get(name);
}
