//! What is known of a name, at every moment of its life.

use super::*;

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

fn addresses(last: &[u8]) -> Addresses {
    last.iter()
        .map(|last| IpAddr::from([192, 0, 2, *last]))
        .collect()
}

fn found(last: &[u8], ttl: u64) -> Result<Found, Unresolved> {
    Ok(Found {
        addresses: addresses(last).to_vec(),
        ttl: Duration::from_secs(ttl),
    })
}

fn missing(ttl: Option<u64>) -> Result<Found, Unresolved> {
    Err(Unresolved::Missing {
        cause: "no such name".to_owned(),
        ttl: ttl.map(Duration::from_secs),
    })
}

fn failed() -> Result<Found, Unresolved> {
    Err(Unresolved::Failed {
        cause: "silence".to_owned(),
    })
}

fn holds(last: &[u8]) -> Known {
    Known::Holds(addresses(last))
}

fn nowhere(cause: &str) -> Known {
    Known::Nowhere(cause.into())
}

fn awaited(old: Option<&[u8]>, since: Moment) -> Known {
    let old = old.map(addresses);
    Known::Awaited { old, since }
}

/// A book in which `a` was answered so, at the beginning.
fn answered(answer: Result<Found, Unresolved>) -> Book {
    let mut book = Book::default();
    assert_eq!(book.ask("a", at(0)), (awaited(None, at(0)), Due::Lookup));
    assert_eq!(book.answered("a", answer, at(0)), None);
    book
}

#[test]
fn one_looks_up_and_the_others_wait() {
    let mut book = Book::default();
    assert_eq!(book.ask("a", at(0)), (awaited(None, at(0)), Due::Lookup));
    assert_eq!(book.ask("a", at(5)), (awaited(None, at(0)), Due::Nothing));
    assert_eq!(book.ask("b", at(5)), (awaited(None, at(5)), Due::Lookup));
    book.answered("a", found(&[1], 60), at(9));
    assert_eq!(book.ask("a", at(9)), (holds(&[1]), Due::Nothing));
}

#[test]
fn a_lookup_that_never_ends_is_made_again() {
    let mut book = Book::default();
    book.ask("a", at(0));
    let late = at(0).after(LOOKUP_MAX);
    assert_eq!(book.ask("a", late), (awaited(None, late), Due::Lookup));
}

#[test]
fn an_answer_holds_for_its_time_within_bounds() {
    for (ttl, until) in [(0, 1_000), (1, 1_000), (60, 60_000), (86_400, 300_000)] {
        let mut book = answered(found(&[1, 2], ttl));
        let (before, then) = (at(until - 1), at(until));
        assert_eq!(book.ask("a", before), (holds(&[1, 2]), Due::Nothing));
        let old: &[u8] = &[1, 2];
        assert_eq!(book.ask("a", then), (awaited(Some(old), then), Due::Lookup));
        assert_eq!(book.answered("a", found(&[3], 60), then), None);
        assert_eq!(book.ask("a", then), (holds(&[3]), Due::Nothing));
    }
}

#[test]
fn that_there_is_nothing_holds_as_long_as_the_answer_says_within_bounds() {
    for (ttl, until) in [
        (None, 2_000),
        (Some(0), 1_000),
        (Some(7), 7_000),
        (Some(3600), 30_000),
    ] {
        let mut book = answered(missing(ttl));
        let known = book.ask("a", at(until - 1));
        assert_eq!(known, (nowhere("no such name"), Due::Nothing), "{ttl:?}");
        assert_eq!(book.ask("a", at(until)).1, Due::Lookup, "{ttl:?}");
    }
}

#[test]
fn an_answer_without_addresses_is_none() {
    let mut book = answered(found(&[], 60));
    assert_eq!(book.ask("a", at(0)).0, nowhere("the name has no address"));
    assert_eq!(book.ask("a", at(2_000)).1, Due::Lookup);
}

#[test]
fn a_failure_is_remembered_for_a_moment() {
    let mut book = answered(failed());
    let told = (nowhere("silence"), Due::Nothing);
    assert_eq!(book.ask("a", at(1_999)), told);
    let then = at(2_000);
    assert_eq!(book.ask("a", then), (awaited(None, then), Due::Lookup));
}

#[test]
fn what_was_found_is_kept_while_the_resolver_fails() {
    let mut book = answered(found(&[1], 1));
    book.ask("a", at(1_000));
    let kept = Some(News::Kept("silence".into()));
    assert_eq!(book.answered("a", failed(), at(1_000)), kept);
    assert_eq!(book.ask("a", at(2_999)), (holds(&[1]), Due::Nothing));
    // Looked up again every few seconds, without anybody's waiting and without another line.
    assert_eq!(book.ask("a", at(3_000)), (holds(&[1]), Due::Lookup));
    assert_eq!(book.ask("a", at(3_001)), (holds(&[1]), Due::Nothing));
    assert_eq!(book.answered("a", failed(), at(4_000)), None);
    assert_eq!(book.ask("a", at(6_000)), (holds(&[1]), Due::Lookup));
    let back = Some(News::Back);
    assert_eq!(book.answered("a", found(&[2], 60), at(6_000)), back);
    assert_eq!(book.ask("a", at(6_000)), (holds(&[2]), Due::Nothing));
}

#[test]
fn it_is_kept_for_an_hour_and_no_longer() {
    let mut book = answered(found(&[1], 1));
    book.ask("a", at(1_000));
    book.answered("a", failed(), at(1_000));
    let hour = 1_000 + 3_600_000;
    assert_eq!(book.ask("a", at(hour - 1)), (holds(&[1]), Due::Lookup));
    let given_up = Some(News::GivenUp);
    assert_eq!(book.answered("a", failed(), at(hour)), given_up);
    assert_eq!(book.ask("a", at(hour)), (nowhere("silence"), Due::Nothing));
    book.ask("a", at(hour + 2_000));
    assert_eq!(book.answered("a", failed(), at(hour + 2_000)), None);
    assert_eq!(book.answered("a", found(&[1], 60), at(hour + 2_000)), None);
}

#[test]
fn an_answer_of_long_ago_is_not_kept_at_all() {
    let mut book = answered(found(&[1], 1));
    let then = at(3_700_000);
    assert_eq!(book.ask("a", then), (awaited(None, then), Due::Lookup));
    assert_eq!(book.answered("a", failed(), then), None);
    assert_eq!(book.ask("a", then).0, nowhere("silence"));
}

#[test]
fn a_name_that_is_gone_keeps_nothing() {
    let mut book = answered(found(&[1], 1));
    book.ask("a", at(1_000));
    assert_eq!(book.answered("a", missing(Some(5)), at(1_000)), None);
    assert_eq!(book.ask("a", at(1_000)).0, nowhere("no such name"));
}

#[test]
fn where_others_are_asked_nothing_holds_but_what_is_kept() {
    let mut book = answered(found(&[1], 300));
    book.ask("b", at(0));
    book.answered("b", missing(Some(30)), at(0));
    book.run_out(at(10));
    let old: &[u8] = &[1];
    let known = book.ask("a", at(10));
    assert_eq!(known, (awaited(Some(old), at(10)), Due::Lookup));
    assert_eq!(book.ask("b", at(10)), (awaited(None, at(10)), Due::Lookup));
}

#[test]
fn only_so_many_names_are_known_and_the_longest_unasked_go_first() {
    let mut book = answered(found(&[1], 300));
    for name in 1..NAMES_MAX {
        book.ask(&name.to_string(), at(1));
    }
    assert_eq!(book.ask("a", at(2)).0, holds(&[1]));
    book.ask("one more", at(3));
    assert_eq!(book.names.len(), NAMES_MAX);
    assert_eq!(book.ask("a", at(4)).0, holds(&[1]));
}
