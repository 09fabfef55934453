"use strict";
// Search: over the index, over all entities, and over the words of passages of the document last looked at, whose data are loaded.

const MOST = 20;
const PASSAGE = /^[a-z0-9-]+\/[a-z_]+\/[0-9a-f]+$/;

async function searchPlace(_, query) {
  const asked = (query.get("words") ?? "").trim();
  const words = wordsOf(asked);
  const documents = [...index.documents.values()];
  const matching = (rows, textOf) => words.length ? rows.filter(row => holds(textOf(row), words)) : [];
  const names = matching(await load("entities"), ([name]) => name);
  const corpora = matching([...index.corpora.values()], corpus => `${corpus.corpus} ${corpus.strategy}`);
  const scores = matching([...index.scores.values()], one => one.run);
  const [id, strategy] = asked.split("/");
  const isPassage = PASSAGE.test(asked) && index.documents.get(id)?.written.has(strategy);
  return {
    heading: asked ? ["Found for “", quoted(asked), "”"] : "Search",
    near: null,
    content: [
      isPassage ? group("Passage", [asked], passageLink) : null,
      group("Documents", matching(documents, about), one => [documentLink(one.id), soft(` ${one.id}`)]),
      group("Corpora", corpora, ({corpus}) => [corpusLink(corpus), soft(" corpus, "), commas(runsOf([corpus]).map(each => modelLink(each.run)))]),
      group("Scores", scores, one => scoreLink(one.run)),
      group("Entities", names, ([name, naming]) => [entityLink(name), soft(" in "),
        commas(naming.slice(0, 3).map(at => documentLink(documents[at].id))),
        naming.length > 3 ? soft(` and ${naming.length - 3} more`) : null]),
      ...inPassages(words),
      paragraph(soft("Only passages of the document last looked at are searched by their words. All passages’ texts: "),
        code("closedbook trace --text \"…\"")),
    ],
  };
}

/** What was found of one sort, nothing where nothing was. */
function group(heading, found, shown) {
  if (!found.length) return null;
  const more = found.length > MOST ? paragraph(soft(`and ${number(found.length - MOST)} more: give another word`)) : null;
  return section([heading, `: ${number(found.length)}`], make("ul", {}, found.slice(0, MOST).map(one => make("li", {}, shown(one)))), more);
}

function inPassages(words) {
  const one = index.documents.get(lastDocument);
  if (!one || !words.length) return [];
  const loaded = strategiesOf(one).map(strategy => arrived.get(writtenFile(one.id, strategy))).filter(data => data);
  const found = loaded.flatMap(data => data.passages).filter(each => holds(each.text, words));
  return [group(["Passages of ", quoted(one.title)], found, each => [passageLink(each.id), " ", quoted(around(each.text, words[0]))])];
}

/** Some of a text, with the first place of a word in its middle. */
function around(text, word) {
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 60);
  return (at ? "… " : "") + cut(text, at, at + 160) + (at + 160 < text.length ? " …" : "");
}
