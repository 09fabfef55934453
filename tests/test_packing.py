"""packing: what a run reads, in which order, and the way back from a block to its passages."""

import numpy as np
import pytest

from closedbook.training import packing
from closedbook.util import files

LENGTHS = [7, 3, 12, 5, 9, 4]
REPLAY_LENGTHS = [6, 2, 8]
EOS = 0


def make(folder, train_tokens=90, replay_train_tokens=10):
    """A corpus whose token values are all different, those of the replay data above 1,000."""
    for first, lengths, prefix in ((1, LENGTHS, ""), (1001, REPLAY_LENGTHS, "replay_")):
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{prefix}offsets.npy", np.cumsum([0, *lengths]))
        np.save(folder / f"{prefix}tokens.npy", np.arange(first, first + sum(lengths), dtype=np.uint32))
    facts = {"train_tokens": train_tokens, "replay_train_tokens": replay_train_tokens, "end_of_text_id": EOS}
    files.write_json(folder / "corpus.json", facts)
    return folder


@pytest.fixture
def corpus(tmp_path):
    return make(tmp_path / "corpus")


def schedule(corpus, seed=1, run_seed=1):
    return packing.schedule(corpus=corpus, seed=seed, run_seed=run_seed)


def of(visits, source):
    return visits[visits[:, 0] == source]


def test_schedule_reads_exactly_the_tokens_asked_for(corpus):
    visits = schedule(corpus)
    assert of(visits, packing.CORPUS)[:, 2].sum() == 90
    assert of(visits, packing.REPLAY)[:, 2].sum() == 10
    assert visits.dtype == np.int64


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
    longer = of(schedule(make(tmp_path / "longer", train_tokens=200)), packing.CORPUS)
    shorter = of(schedule(corpus), packing.CORPUS)
    assert (longer[: len(shorter) - 1] == shorter[:-1]).all()


def test_run_seed_and_seed_give_other_orders_and_the_same_one_the_same(corpus):
    assert (schedule(corpus) == schedule(corpus)).all()
    for other in (schedule(corpus, run_seed=2), schedule(corpus, seed=2)):
        assert not np.array_equal(schedule(corpus), other)


def test_replay_is_spread_evenly(tmp_path):
    visits = schedule(make(tmp_path / "corpus", train_tokens=9000, replay_train_tokens=1000))
    replayed = np.cumsum(visits[:, 2] * (visits[:, 0] == packing.REPLAY))
    expected = 0.1 * np.cumsum(visits[:, 2])
    assert abs(replayed - expected).max() <= max(LENGTHS + REPLAY_LENGTHS)


def test_no_replay(tmp_path):
    corpus = make(tmp_path / "corpus", replay_train_tokens=0)
    for name, dtype in (("replay_tokens.npy", np.uint32), ("replay_offsets.npy", np.int64)):
        np.save(corpus / name, np.zeros(int(name == "replay_offsets.npy"), dtype))
    visits = schedule(corpus)
    assert (visits[:, 0] == packing.CORPUS).all()
    assert len(packing.PackedDataset(corpus, visits, 8)[0]["input_ids"]) == 8


def test_blocks_are_the_stream_and_the_last_one_is_filled_with_eos(corpus):
    visits = schedule(corpus)
    starts = {packing.CORPUS: (1, LENGTHS), packing.REPLAY: (1001, REPLAY_LENGTHS)}
    stream = []
    for source, passage, tokens in visits.tolist():
        first, lengths = starts[source]
        stream += range(first + sum(lengths[:passage]), first + sum(lengths[:passage]) + tokens)
    dataset = packing.PackedDataset(corpus, visits, 16)
    blocks = [dataset[index] for index in range(len(dataset))]
    assert np.concatenate([block["input_ids"] for block in blocks]).tolist() == stream + [EOS] * 12
    assert np.concatenate([block["labels"] for block in blocks]).tolist() == stream + [packing.IGNORED] * 12
    assert all(block["input_ids"].dtype == np.int64 for block in blocks)


@pytest.mark.parametrize("block_size", [2, 16, 50, 1000])
def test_pieces_lead_from_a_block_back_to_its_passages(corpus, block_size):
    visits = schedule(corpus)
    dataset = packing.PackedDataset(corpus, visits, block_size)
    for block in range(len(dataset)):
        found = []
        for source, passage, offset, length in packing.pieces(visits, np.cumsum(visits[:, 2]), block_size, block):
            first, lengths = ((1, LENGTHS), (1001, REPLAY_LENGTHS))[source]
            assert length > 0 and offset + length <= lengths[passage]
            found += range(first + sum(lengths[:passage]) + offset, first + sum(lengths[:passage]) + offset + length)
        assert dataset[block]["input_ids"][: len(found)].tolist() == found
