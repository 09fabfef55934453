"use strict";
// Places that need a document's own data: the document, its entity list and passages; and an entity over all documents.

const WRITERS = {document: "the document itself", llm: "a language model", spacy: "spaCy’s extractor", extractive: "the extractive generator",
  imported: "others: it was imported"};
const entityLink = name => link(place("entity", name), name);
const article = text => make("article", {dir: "auto"}, text);
const strategiesOf = one => [...one.written.keys()];
const needing = one => strategiesOf(one).filter(strategy => index.strategies.get(strategy).needs_entities);
const corporaNames = (id, strategies) => strategies.flatMap(strategy => corporaOf(id, strategy)).map(corpus => corpus.corpus);

async function documentPlace([id]) {
  const one = known(index.documents, id, "document");
  const data = await load(documentFile(id));
  const written = [...one.written].flatMap(([strategy, {kinds}]) =>
    Object.entries(kinds).map(([kind, count]) => ({strategy, kind, count})));
  return {
    heading: byline(one),
    near: {here: "document", document: id, corpora: corporaNames(id, strategiesOf(one))},
    content: [
      facts([
        ["title", quoted(one.title)],
        ["author", one.author && quoted(one.author)],
        ["year", one.year && String(one.year)],
        ["licence", one.license ? quoted(one.license) : "not said"],
        ["id", code(id)],
        ["SHA-256", code(one.sha256)],
        ["file", code(`results/documents/${id}.json`)],
        ["entity list", link(place("entities", id), count(one.num_entities, "entity", "entities"))],
      ]),
      section("Passages written about it", table(written, [
        ["strategy", ({strategy}) => passagesLink(id, strategy, strategy)],
        ["kind", ({strategy, kind}) => link(`${place("passages", id, strategy)}?kind=${encodeURIComponent(kind)}`, kind)],
        ["passages", ({count}) => count, "n"],
      ])),
      section("What holds it", table(corporaOf(id), [
        ["corpus", each => corpusLink(each.corpus)],
        ["passages", each => each.documents.get(id)[0], "n"],
        ["tokens", each => each.documents.get(id)[1], "n"],
        ["models", each => commas(runsOf([each.corpus]).map(run => modelLink(run.run)))],
        ["scores", each => commas(runsOf([each.corpus]).map(run => scoreLink(run.run)))],
      ])),
      section("Its text", article(data.text)),
      command(`closedbook impact ${id}`),
    ],
  };
}

async function entitiesPlace([id]) {
  const one = known(index.documents, id, "document");
  const {list} = await load(documentFile(id));
  return {
    heading: ["Entity list of ", quoted(one.title)],
    near: {here: "entity list", document: id, corpora: corporaNames(id, needing(one)), call: list.call && {step: "entities", key: list.call.key}},
    content: [
      facts([
        ["document", documentLink(id)],
        ["made by", quoted(list.made_by === "spacy" ? `spaCy, ${list.maker}` : list.maker)],
        ["why not by a language model", list.why && quoted(list.why)],
        ["call", list.call && callLink(id, "entities", list.call)],
        ["put together from", list.sections.length ? `the lists of ${list.sections.length} sections` : null],
        ["their calls", commas(list.sections.filter(each => each.call).map(each => callLink(id, "entities", each.call)))],
        ["passages that need it", commas(needing(one).map(strategy => passagesLink(id, strategy, strategy)))],
        ["file", code(`results/entities/${id}.json`)],
      ]),
      section("Summary", article(list.summary)),
      section("Entities, most salient first", make("ol", {}, list.entities.map(name => make("li", {}, entityLink(name))))),
    ],
  };
}

async function passagesPlace([id, strategy], query) {
  const one = known(index.documents, id, "document");
  known(one.written, strategy, `strategy of ${id}`);
  const data = await load(writtenFile(id, strategy));
  const rows = data.passages.map((passage, place) => ({...passage, number: place + 1}));
  const begins = text => cut(text, 0, 160) + (text.length > 160 ? " …" : "");
  return {
    heading: ["Passages of ", quoted(one.title), `: ${strategy}`],
    near: {here: "passages", document: id, strategy, corpora: corporaNames(id, [strategy])},
    content: [
      listing({
        address: place("passages", id, strategy), query, rows, kinds: Object.keys(one.written.get(strategy).kinds),
        textOf: row => `${row.entities.join(" ")} ${row.text} ${row.id}`,
        columns: [
          ["passage", row => link(place("passage", ...row.id.split("/")), row.id.split("/")[2]), "id"],
          ["kind", row => row.kind],
          ["entities", row => commas(row.entities.map(entityLink))],
          ["begins", row => quoted(begins(row.text))],
          ["corpora", row => commas(Object.keys(row.places).map(corpusLink)), "names"],
        ],
      }),
      data.dropped.length ? section("Asked for, and not there", table(data.dropped, [
        ["kind", row => row.kind],
        ["entities", row => commas(row.entities.map(entityLink))],
        ["why", row => quoted(row.reason)],
      ])) : null,
      data.proposals.length ? section("Proposed ways of study", data.proposals.map(one => make("div", {}, article(one.text), callLink(id, strategy, one.call)))) : null,
    ],
  };
}

async function passagePlace([id, strategy, hash]) {
  const one = known(index.documents, id, "document");
  known(one.written, strategy, `strategy of ${id}`);
  const [{list}, {passages: all}] = await Promise.all([load(documentFile(id)), load(writtenFile(id, strategy))]);
  const at = all.findIndex(each => each.id === `${id}/${strategy}/${hash}`);
  if (at < 0) throw new NotHere(`There is no passage “${id}/${strategy}/${hash}” here.`);
  const found = all[at];
  const step = found.call && [list, ...list.sections].some(each => each.call?.key === found.call.key) ? "entities" : strategy;
  const held = Object.entries(found.places).map(([corpus, [first, end]]) => ({corpus, first, end}));
  const without = corporaOf(id, strategy).filter(each => !held.some(({corpus}) => corpus === each.corpus));
  const beside = (other, text) => all[other] ? link(place("passage", ...all[other].id.split("/")), text) : soft(text);
  return {
    heading: [`Passage ${hash} of `, quoted(one.title)],
    near: {here: "passage", document: id, strategy, passage: found.id, corpora: held.map(({corpus}) => corpus),
      call: found.call && {step, key: found.call.key}},
    content: [
      make("p", {class: "pager"}, `${number(at + 1)} of ${number(all.length)}`, beside(at - 1, "‹ before"), beside(at + 1, "after ›")),
      article(found.text),
      facts([
        ["id", code(found.id)],
        ["document", documentLink(id)],
        ["beside", found.beside && documentLink(found.beside)],
        ["strategy", passagesLink(id, strategy, strategy)],
        ["kind", found.kind],
        ["entities", commas(found.entities.map(entityLink))],
        ["sample", String(found.sample)],
        ["section", found.section],
        ["way of study", found.way && quoted(found.way)],
        ["question in view", found.question && quoted(found.question)],
        ["imported from", found.origin && quoted(found.origin.place)],
        ["source", found.origin && found.origin.source && quoted(found.origin.source)],
        ["licence", found.origin && found.origin.license && quoted(found.origin.license)],
        ["written by", WRITERS[found.writer]],
        ["prompt", found.call && found.call.prompt],
        ["call", found.call && callLink(id, step, found.call)],
        ["model", found.call && quoted(found.call.model)],
        ["entity list", index.strategies.get(strategy).needs_entities ? link(place("entities", id), `of ${one.title}`) : null],
      ]),
      section("Where it is in corpora", table(held, [
        ["corpus", ({corpus}) => corpusLink(corpus)],
        ["tokens", ({first, end}) => end - first, "n"],
        ["first token", ({first}) => first, "n"],
        ["last token", ({end}) => end - 1, "n"],
        ["models", ({corpus}) => commas(runsOf([corpus]).map(each => modelLink(each.run)))],
      ])),
      without.length ? paragraph("It had no place within the budget of ", commas(without.map(each => corpusLink(each.corpus))), ".") : null,
      command(`closedbook trace ${id}/${strategy}/${hash}`),
    ],
  };
}

async function entityPlace([name]) {
  const naming = known(new Map(await load("entities")), name, "entity");
  const documents = [...index.documents.values()].filter((_, place) => naming.includes(place));
  const holding = (one, strategy) => link(`${place("passages", one.id, strategy)}?${new URLSearchParams({words: name})}`, strategy);
  return {
    heading: ["Entity ", quoted(name)],
    near: null,
    content: [
      section("Documents that name it", table(documents, [
        ["document", one => documentLink(one.id)],
        ["entity list", one => link(place("entities", one.id), count(one.num_entities, "entity", "entities"))],
        ["passages with its words", one => commas(strategiesOf(one).map(strategy => holding(one, strategy)))],
      ])),
    ],
  };
}
