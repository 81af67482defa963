"""A config as overrides: Hydra's own parser must read back what was written."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finetune_lab.errors import ConfigError
from finetune_lab.text.overrides import command_line, differences, gathered, leaves, value_text

# without interpolations, which are refused, and control characters, which no command line carries
texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="$"), max_size=12)
awkward = st.sampled_from(
    ["null", "True", "1e-4", "1", "", "a\\", "\\'", "it's", "a,b", "{x}", "~x", " x ", "[1]", "a=b"]
)
numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
leaf = st.none() | st.booleans() | numbers | texts | awkward
keys = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda key: key not in ("null", "true", "false"))
values = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


@settings(deadline=None)
@example("vă3")
@example("NULL")
@given(values)
def test_hydra_reads_back_what_was_written(value):
    [word] = shlex.split(shlex.quote(f"key={value_text(value)}"))
    read = OverridesParser.create().parse_override(word).value()
    assert plain(read) == value
    assert type(plain(read)) is type(value)


def plain(read):
    if isinstance(read, dict):
        return {str(key): plain(item) for key, item in read.items()}
    if isinstance(read, list):
        return [plain(item) for item in read]
    return getattr(read, "text", read) if type(read).__name__ == "QuotedString" else read


def test_only_what_differs_is_written():
    defaults = {"a": {"same": 1, "other": 2, "gone": 3}, "list": [1, 2], "empty": {}}
    config = {"a": {"same": 1, "other": 2.5, "new": None}, "list": [1], "empty": {"x": 1}}
    assert differences(config, defaults) == {
        "a.gone": "~a.gone",
        "a.other": "a.other=2.5",
        "a.new": "+a.new=null",
        "list": "list=[1]",
        "empty.x": "+empty.x=1",
    }
    assert differences(defaults, defaults) == {}


def test_a_reference_takes_what_most_of_its_places_hold():
    defaults = {"top": {"x": 0}, "e": {"a": {"d": "${top}"}, "b": {"d": "${top}"}, "c": {"d": "${top}"}}}
    config = {"e": {"a": {"d": {"x": 2}}, "b": {"d": {"x": 1}}, "c": {"d": {"x": 1}}}}
    found = gathered(config, defaults)
    assert found == {"top": {"x": 1}, "e": {"a": {"d": {"x": 2}}, "b": {"d": "${top}"}, "c": {"d": "${top}"}}}
    assert differences(found, defaults) == {"e.a.d": "e.a.d={x:2}", "top.x": "top.x=1"}
    assert config["e"]["b"]["d"] == {"x": 1}  # what was given stays as it was


def test_what_no_override_can_say_is_refused():
    with pytest.raises(ConfigError, match="no override can say"):
        value_text("${home}")
    with pytest.raises(ConfigError, match="the key 'null' inside a value"):
        value_text({"null": 1})
    with pytest.raises(ConfigError, match="can name the key 'a b'"):
        differences({"a b": 1}, {})


def test_a_line_is_broken_at_its_words_and_reads_back():
    words = [f"method.something.number_{number}='a b'" for number in range(9)]
    line = command_line("python -m x", words, 80)
    assert max(map(len, line.splitlines())) <= 80
    assert shlex.split(line.replace("\\\n", " "))[3:] == words


def test_leaves_go_by_dotted_paths():
    assert dict(leaves({"a": {"b": {"c": 1}, "d": {}}, "e": [1]})) == {"a.b.c": 1, "a.d": {}, "e": [1]}


def test_a_null_that_a_config_lacks_is_left_alone():
    """Hydra refuses to delete it: `~data.split.stratify` of a null says that there is no such key."""
    assert differences({"a": 1}, {"a": 1, "later": None}) == {}
