"use strict";
// The boxes at the top: to the left of the present place what it was made from, to its right what was made from it.

const SHOWN = 5;

/**
 * `near` is the present place's neighbourhood: `here`, the kind of the place; `document`, `strategy`, `passage` and `call` ({step, key})
 * where it is about one; `corpora`, those that hold it or that it draws on; `run`, where it is about one; `base`, where it is the base.
 */
function chain(near) {
  const first = near.document ? ofDocument(near) : ofCorpora(near);
  const runs = near.run ? [near.run] : runsOf(near.corpora).map(run => run.run);
  const made = [...index.scores.values()].filter(({of}) => of && runs.includes(of.run)).map(({run}) => run);
  const scored = [...(near.base ? ["base"] : []), ...runs, ...made];
  const call = near.call && link(place("call", near.document, near.call.step, near.call.key), near.call.key.slice(0, 8));
  return make("nav", {class: "chain", "aria-label": "Where this stands"},
    first,
    box("corpus", near.here, near.corpora.map(corpusLink)),
    box("model", near.here, runs.map(modelLink)),
    box("score", near.here, scored.filter(run => index.scores.has(run)).map(scoreLink)),
    call ? box("call", near.here, [call], near.call.step === "entities" ? "of-list" : "of-passage") : [],
    box("base", near.here, [link(place("base"), index.base.model)]));
}

function box(kind, here, entries, side = "") {
  const more = entries.length > SHOWN ? [soft(`and ${entries.length - SHOWN} more`)] : [];
  const attributes = {class: `box ${kind} ${side} ${kind === here ? "here" : ""}`};
  if (kind === here) attributes["aria-current"] = "location";
  return make("div", attributes, make("b", {}, kind),
    entries.length ? [...entries.slice(0, SHOWN), ...more].map(entry => make("span", {}, entry)) : soft("–"));
}

function scoreLink(run) {
  const [first] = Object.values(index.scores.get(run).tasks);
  return link(place("score", run), first ? `${run} ${first.accuracy.toFixed(3)}` : run);
}

/** The first three boxes where one document is meant. */
function ofDocument({here, document, strategy, passage}) {
  const one = index.documents.get(document);
  const strategies = strategy ? [strategy] : (here === "document" ? strategiesOf : needing)(one);
  const lists = !strategy || index.strategies.get(strategy).needs_entities;
  const all = strategies.map(name => link(place("passages", document, name), `${number(numPassages(one.written.get(name)))} ${name}`));
  const present = passage ? [link(place("passage", ...passage.split("/")), passage.split("/")[2])] : [];
  return [
    box("document", here, [link(place("document", document), one.title)]),
    box("entity list", here, lists ? [link(place("entities", document), count(one.num_entities, "entity", "entities"))] : []),
    box(here === "passage" ? "passage" : "passages", here, [...present, ...all]),
  ];
}

/** The first three boxes where all documents of some corpora are meant. */
function ofCorpora({here, corpora: names}) {
  const corpora = names.map(name => index.corpora.get(name));
  const documents = new Set(corpora.flatMap(corpus => [...corpus.documents.keys()]));
  const to = corpora.length === 1 ? place("corpus", corpora[0].corpus) : "#lineage";
  const listed = corpora.some(corpus => Object.keys(corpus.strategies).some(name => index.strategies.get(name).needs_entities));
  return [
    box("document", here, documents.size ? [link(to, count(documents.size, "document"))] : []),
    box("entity list", here, listed ? [link(to, count(documents.size, "list"))] : []),
    box("passages", here, corpora.map(corpus => link(place("corpus", corpus.corpus), `${number(corpus.num_passages)} ${corpus.strategy}`))),
  ];
}
