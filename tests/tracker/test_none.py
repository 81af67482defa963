from finetune_lab.tracker.none import Nothing


def test_it_takes_everything_and_leaves_nothing(tmp_path):
    tracker = Nothing()
    tracker.check()
    with tracker.session(None, tmp_path) as session:
        session.log(1, {"train/loss": 1.0})
        session.summarise({})
        session.table("samples", ["a"], [["b"]])
    assert list(tmp_path.iterdir()) == []
