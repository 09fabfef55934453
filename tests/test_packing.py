"""packing: what a run reads, in which order, and the way back from a block to its passages."""

import os

import numpy as np
import pytest

from closedbook.training import packing, reading
from closedbook.training.reading import Texts
from closedbook.util.errors import UserError

LENGTHS = [7, 3, 12, 5, 9, 4]
REPLAY_LENGTHS = [6, 2, 8]
EOS = 0


def texts_of(folder, first, lengths):
    """Texts whose token values are all different, in pieces of two texts each, which stand in another order than the texts."""
    folder.mkdir(exist_ok=True)
    values = np.split(np.arange(first, first + sum(lengths), dtype=np.uint32), np.cumsum(lengths)[:-1])
    places, pieces = np.zeros((len(lengths), 3), np.int64), []
    for piece in range(0, len(lengths), 2):
        inside = list(range(piece, min(piece + 2, len(lengths))))[::-1]
        pieces.append(folder / f"{first}-{piece}.npy")
        np.save(pieces[-1], np.concatenate([values[text] for text in inside]))
        starts = np.cumsum([0, *(lengths[text] for text in inside)])
        for text, start in zip(inside, starts):
            places[text] = len(pieces) - 1, start, lengths[text]
    return Texts(pieces, places)


def make(folder):
    """A corpus and its replay, whose values are above 1,000."""
    return [texts_of(folder, 1, LENGTHS), texts_of(folder, 1001, REPLAY_LENGTHS)]


@pytest.fixture
def corpus(tmp_path):
    return make(tmp_path / "corpus")


def schedule(texts, seed=1, run_seed=1, train_tokens=90, replay_tokens=10):
    return packing.schedule(texts, [train_tokens, replay_tokens], seed=seed, run_seed=run_seed)


def of(visits, source):
    return visits[visits[:, 0] == source]


def test_schedule_reads_exactly_the_tokens_asked_for(corpus):
    visits = schedule(corpus)
    assert of(visits, packing.CORPUS)[:, 2].sum() == 90
    assert of(visits, packing.REPLAY)[:, 2].sum() == 10
    assert visits.dtype == np.int64


def test_by_document_an_epoch_reads_each_documents_passages_one_after_the_other_and_all_of_them(corpus):
    visits = packing.schedule(corpus, [120, 10], seed=1, run_seed=1, by_document=True)
    documents, passages = corpus[packing.CORPUS].documents, of(visits, packing.CORPUS)[:, 1]
    assert documents.tolist() == [0, 0, 1, 1, 2, 2], "texts_of puts two passages into a piece"
    epochs = [documents[passages[first : first + 6]].tolist() for first in (0, 6)]
    assert all(sorted(epoch) == [0, 0, 1, 1, 2, 2] and epoch[::2] == epoch[1::2] for epoch in epochs)
    assert sorted(passages[:6]) == list(range(6)) and of(visits, packing.REPLAY)[:, 2].sum() == 10
    several = {tuple(packing.schedule(corpus, [60, 0], seed=1, run_seed=seed, by_document=True)[:, 1]) for seed in range(20)}
    assert len(several) > 6, "neither documents nor passages stand in a fixed order"
    shuffled = [documents[of(packing.schedule(corpus, [60, 0], seed=1, run_seed=seed), packing.CORPUS)[:6, 1]].tolist() for seed in range(9)]
    assert any(order[::2] != order[1::2] for order in shuffled)


def test_each_epoch_reads_every_passage_once_in_an_order_of_its_own(corpus):
    passages = of(schedule(corpus), packing.CORPUS)[:, 1].tolist()
    first, second = passages[:6], passages[6:12]
    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second


def test_only_the_last_visit_is_cut(corpus):
    for source, lengths in ((packing.CORPUS, LENGTHS), (packing.REPLAY, REPLAY_LENGTHS)):
        _, passages, tokens = of(schedule(corpus), source).T
        assert tokens[:-1].tolist() == [lengths[passage] for passage in passages[:-1]]
        assert 0 < tokens[-1] <= lengths[passages[-1]]


def test_longer_training_begins_like_a_shorter_one(corpus, tmp_path):
    longer = of(schedule(make(tmp_path / "longer"), train_tokens=200), packing.CORPUS)
    shorter = of(schedule(corpus), packing.CORPUS)
    assert (longer[: len(shorter) - 1] == shorter[:-1]).all()


def test_run_seed_and_seed_give_other_orders_and_the_same_one_the_same(corpus):
    assert (schedule(corpus) == schedule(corpus)).all()
    for other in (schedule(corpus, run_seed=2), schedule(corpus, seed=2)):
        assert not np.array_equal(schedule(corpus), other)


def test_replay_is_spread_evenly(tmp_path):
    visits = schedule(make(tmp_path / "corpus"), train_tokens=9000, replay_tokens=1000)
    replayed = np.cumsum(visits[:, 2] * (visits[:, 0] == packing.REPLAY))
    expected = 0.1 * np.cumsum(visits[:, 2])
    assert abs(replayed - expected).max() <= max(LENGTHS + REPLAY_LENGTHS)


def test_no_replay(corpus):
    texts = [corpus[0], corpus[1].beginning(0)]
    visits = schedule(texts, replay_tokens=0)
    assert (visits[:, 0] == packing.CORPUS).all() and len(texts[1]) == 0
    assert len(packing.PackedDataset(texts, visits, 8, EOS)[0]["input_ids"]) == 8


def test_blocks_are_the_stream_and_the_last_one_is_filled_with_eos(corpus):
    visits = schedule(corpus)
    starts = {packing.CORPUS: (1, LENGTHS), packing.REPLAY: (1001, REPLAY_LENGTHS)}
    stream = []
    for source, passage, tokens in visits.tolist():
        first, lengths = starts[source]
        stream += range(first + sum(lengths[:passage]), first + sum(lengths[:passage]) + tokens)
    dataset = packing.PackedDataset(corpus, visits, 16, EOS)
    blocks = [dataset[index] for index in range(len(dataset))]
    assert np.concatenate([block["input_ids"] for block in blocks]).tolist() == stream + [EOS] * 12
    assert np.concatenate([block["labels"] for block in blocks]).tolist() == stream + [packing.IGNORED] * 12
    assert all(block["input_ids"].dtype == np.int64 for block in blocks)


@pytest.mark.parametrize("block_size", [2, 16, 50, 1000])
def test_pieces_lead_from_a_block_back_to_its_passages(corpus, block_size):
    visits = schedule(corpus)
    dataset = packing.PackedDataset(corpus, visits, block_size, EOS)
    for block in range(len(dataset)):
        found = []
        for source, passage, offset, length in packing.pieces(visits, np.cumsum(visits[:, 2]), block_size, block):
            first, lengths = ((1, LENGTHS), (1001, REPLAY_LENGTHS))[source]
            assert length > 0 and offset + length <= lengths[passage]
            found += range(first + sum(lengths[:passage]) + offset, first + sum(lengths[:passage]) + offset + length)
        assert dataset[block]["input_ids"][: len(found)].tolist() == found


def test_the_beginning_of_texts_is_cut_where_it_ends(corpus):
    replay = corpus[packing.REPLAY]
    part = replay.beginning(7)
    assert part.lengths.tolist() == [6, 1] and part.tokens(1).tolist() == replay.tokens(1)[:1].tolist()
    assert replay.beginning(8).lengths.tolist() == [6, 2] and replay.beginning(99) is replay and replay.lengths.tolist() == REPLAY_LENGTHS


def test_thousands_of_pieces_are_read_with_few_of_them_open(tmp_path):
    number = 3000
    for piece in range(number):
        np.save(tmp_path / f"{piece}.npy", np.array([piece, piece + 1], np.uint32))
    places = np.stack([np.arange(number), np.ones(number, np.int64), np.ones(number, np.int64)], axis=1)
    texts = Texts([tmp_path / f"{piece}.npy" for piece in range(number)], places)
    visits = packing.schedule([texts, texts.beginning(0)], [2 * number, 0], seed=1, run_seed=1)
    before = len(os.listdir("/proc/self/fd"))
    dataset = packing.PackedDataset([texts, texts.beginning(0)], visits, 64, EOS)
    read = np.concatenate([dataset[block]["input_ids"] for block in range(len(dataset))])[: 2 * number]
    assert read.tolist() == (visits[:, 1] + 1).tolist() and sorted(read.tolist()) == sorted(2 * list(range(1, number + 1)))
    assert len(os.listdir("/proc/self/fd")) - before <= reading.MOST_OPEN


def shorter(path):
    np.save(path, np.load(path)[:-1])


def of_other_numbers(path):
    np.save(path, np.load(path).astype(np.int64))


@pytest.mark.parametrize("spoil, said", [
    (shorter, "holds 9 tokens, and is read up to token 10"), (of_other_numbers, "is no list of tokens"),
    (lambda path: path.write_bytes(path.read_bytes()[:-4]), "not a whole one"), (lambda path: path.write_bytes(b""), "not a whole one"),
    (lambda path: path.unlink(), "is not here"),
])  # fmt: skip
def test_a_piece_that_is_not_what_the_list_says_is_an_error_and_no_garbage(corpus, tmp_path, spoil, said):
    visits = schedule(corpus)
    spoil(tmp_path / "corpus" / "1-0.npy")
    dataset = packing.PackedDataset(corpus, visits, 16, EOS)
    with pytest.raises(UserError, match=f"1-0.npy: .*{said}.*snakemake --cores all"):
        [dataset[block] for block in range(len(dataset))]
