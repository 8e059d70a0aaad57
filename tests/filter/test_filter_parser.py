"""The grammar: what each text means, and that a wrong word is marked and explained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ALL_NAMES
from uringtrace.errors import FilterError
from uringtrace.tracer.filter import check_operations, parse, parse_all
from uringtrace.tracer.filter.syntax import (
    And,
    Compare,
    Descriptor,
    DescriptorIs,
    Differs,
    ErrorIs,
    Not,
    OperationIs,
    Or,
    PathIs,
    RowIs,
)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("fd=3,fixed:7", DescriptorIs((Descriptor(3, False), Descriptor(7, True)))),
        ("path=io-wq,poll", PathIs(("io-wq", "poll"))),
        ("path=io_wq", PathIs(("io-wq",))),
        ("error", RowIs("error")),
        ("error=EAGAIN", ErrorIs((11,))),
        ("result<0", Compare("result", "<", (0,))),
        ("result = -11", Compare("result", "=", (-11,))),
        ("result==EAGAIN", Compare("result", "=", (-11,))),
        ("latency>1ms", Compare("latency", ">", (1_000_000,))),
        ("latency>=0.1us", Compare("latency", ">=", (100,))),
        ("latency>1.5µs", Compare("latency", ">", (1500,))),
        ("user_data=0x2a", Compare("user_data", "=", (42,))),
        ("ring!=1,2", Differs(Compare("ring", "=", (1, 2)))),
        ("fd=!3", Differs(DescriptorIs((Descriptor(3, False),)))),
        ("!error", Not(RowIs("error"))),
        ("not not multishot", Not(Not(RowIs("multishot")))),
        (
            "error or pid=1 and tid=2",
            Or((RowIs("error"), And((Compare("pid", "=", (1,)), Compare("tid", "=", (2,)))))),
        ),
        (
            "(error or pid=1) and tid=2",
            And((Or((RowIs("error"), Compare("pid", "=", (1,)))), Compare("tid", "=", (2,)))),
        ),
    ],
)
def test_what_a_filter_means(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    "text", ["op=read,recv", "trace=READ,RECV", "t=read,RECV", "READ,recv", "op=IORING_OP_READ,RECV"]
)
def test_operations_are_named_as_with_strace(text: str) -> None:
    tree = parse(text)
    assert isinstance(tree, OperationIs)
    assert [name.text for name in tree.operations] == ["READ", "RECV"]
    check_operations(tree, ALL_NAMES)


def test_several_expressions_must_all_hold() -> None:
    assert parse_all(["error", "fd=3"]) == And((RowIs("error"), DescriptorIs((Descriptor(3, False),))))
    assert parse_all(["error"]) == RowIs("error")
    assert parse_all([]) is None


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("", " ", "empty"),
        ("fdd=3", "fdd", "did you mean fd"),
        ("latncy>1ms", "latncy", "did you mean latency"),
        ("op=READ and qqq=3", "qqq", "known words"),
        ("fd=x", "x", "fd=3"),
        ("fd=-1", "-1", "fd=3"),
        ("fd=" + "9" * 5000, "9" * 5000, "fd=3"),
        ("latency>" + "9" * 5000 + "s", "9" * 5000 + "s", "1.5ms"),
        ("fd<3", "<", "= or !="),
        ("path=iowq", "iowq", "did you mean io-wq"),
        ("error=EGAIN", "EGAIN", "did you mean EAGAIN"),
        ("latency>5", "5", "ns, us"),
        ("latency>fast", "fast", "1.5ms"),
        ("pid=-1", "-1", "between"),
        ("user_data=0xzz", "0xzz", "number"),
        ("result<1,2", "2", "one value"),
        ("multishot=1", "=", "stands alone"),
        ("fd", "fd", "needs a value"),
        ("fd=", " ", "expected a value"),
        ("fd=3,", " ", "expected a value"),
        ("error error", "error", "expected and, or"),
        ("error && fd=3", "&&", "write and"),
        ("(error", "(", "never closed"),
        ("error)", ")", "closes nothing"),
        ("and", "and", "condition"),
        ("not", " ", "condition"),
        ("signal=SIGINT", "signal", "strace"),
        ("inject=read:error=EIO", "inject", "never changes"),
        ("read=3", "read", "payload"),
        ("status=failed", "status", "not error"),
        ("quiet=attach", "quiet", "use -q"),
        ("kvm=vcpu", "kvm", "does not apply here"),
        ("signal=none", "signal", "does not apply here"),
        ("abbrev=all", "abbrev", "--json"),
        ("trace=%netwrok", "%netwrok", "did you mean %network"),
        ("%", "%", "classes: "),
        ("trace=/re(ad", "/re(ad", "no regular expression"),
        ("trace=/" + "(" * 5000, "/" + "(" * 5000, "too long"),
        ("trace=/a{99999999999}", "/a{99999999999}", "no regular expression"),
        ("file", "file", "class is %file"),
        ("interface=io-uring", "io-uring", "did you mean io_uring"),
        ("interface=epoll", "epoll", "io_uring, syscall"),
        ("wake=timre", "timre", "did you mean timer"),
        ("waker=network", "network", "number"),
        ("path=/etc/hosts", "/etc/hosts", "-P /etc/hosts"),
        ("error=ERESTARTSIS", "ERESTARTSIS", "ERESTARTSYS"),
        ("slept=1", "=", "stands alone"),
        ("peer=300.1.1.1", "300.1.1.1", "10.0.0.0/8"),
        ("peer=10.0.0.1,x y", "x", "not an address"),
        ("not local=10.0.0.1/8", "10.0.0.1/8", "its network is 10.0.0.0/8"),
    ],
)
def test_a_wrong_word_is_marked_and_a_way_out_given(text: str, marked: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    error = caught.value
    assert error.expression == text
    assert (text + " ")[error.position : error.position + error.length] == marked
    assert said in f"{error.message} {error.way_out}"
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("op=READ,RECVV", "RECVV", "did you mean RECV"),
        ("op=SEDN*", "SEDN*", ""),
        ("not (fd=3 or opp)", "opp", "did you mean op"),
        ("op!=recvv", "recvv", "did you mean recv"),
        ("trace=opnat,read", "opnat", "did you mean openat"),
        ("trace=network", "network", "did you mean %network"),
        ("trace=IORING_OP_FUTEX", "IORING_OP_FUTEX", ""),
        ("iouring", "iouring", "did you mean io_uring"),
        ("slepd", "slepd", "did you mean slept"),
        ("epoll_weit", "epoll_weit", "did you mean epoll_wait"),
    ],
)
def test_operations_are_checked_against_the_kernels(text: str, marked: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check_operations(parse(text), ALL_NAMES)
    error = caught.value
    assert text[error.position : error.position + error.length] == marked
    assert said in error.way_out


STARTS = ["peer=", "local=", "trace=", "trace=/", "trace=%", "file=", "wake=", "latency>", "interface="]
PIECES = st.sampled_from([*STARTS, "[", "]", ":", "10.0.0.0/8", "/re(", "*", "(", ")", ",", "!", " and "])


@given(
    st.text(alphabet="fd=3!<>(),. \tandorpiethz1%/[]:*?@µ\u0660\x00", max_size=40)
    | st.text(max_size=20)
    | st.lists(PIECES, max_size=6).map("".join)
    | st.builds(str.__add__, st.sampled_from(STARTS), st.text(max_size=20))
)
def test_any_text_gives_a_tree_or_a_filter_error_within_it(text: str) -> None:
    error = None
    try:
        check_operations(parse(text), ALL_NAMES)
    except FilterError as caught:
        error = caught
    if error is not None:
        assert 0 <= error.position <= len(text)
        assert error.length >= 1
        assert error.message


def test_deep_nesting_is_refused_rather_than_a_crash() -> None:
    with pytest.raises(FilterError, match="nested"):
        parse("(" * 100_000)
    with pytest.raises(FilterError, match="nested"):
        parse("!" * 100_000 + "error")
