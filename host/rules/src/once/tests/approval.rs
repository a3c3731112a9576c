//! What cannot be undone is done once a person has approved that very request, and once only.

use super::*;
use crate::effects::{Declared, Effects, Undeclared};
use holdfast_call::contract::Contract;
use holdfast_store::approvals::{self, Decided, Decision, Own, Says, Standing, Which};
use std::collections::BTreeMap;

impl World {
    /// Has `orders` answer with this, what it does being declared.
    fn declares(&self, declared: &[(&str, Declared)], undeclared: Undeclared) {
        let declared: BTreeMap<_, _> = declared
            .iter()
            .map(|(name, declared)| ((*name).to_owned(), declared.clone()))
            .collect();
        let effects = Effects::new(&declared, &[], &Contract::default(), undeclared).unwrap();
        let ran = self.ran.clone();
        register(
            &self.pipeline,
            &service("orders"),
            All::default().with(effects),
            move |_| {
                ran.fetch_add(1, SeqCst);
                Box::pin(async { created().map_err(|_| unreachable!()) })
            },
        );
    }

    async fn post(&self, key: Option<&str>, body: &'static str) -> Reply {
        let mut call = self.call(key, "POST", body);
        call.operation = "POST /".into();
        self.pipeline.run(call).await
    }

    async fn waiting(&self) -> Vec<approvals::Approval> {
        approvals::list(&self.database, Which::Open).await.unwrap()
    }

    async fn grant(&self, id: &str) {
        let decision = Decision {
            id: id.to_owned(),
            says: Says::Grant,
            by: "operator:0".to_owned(),
            why: "fine".to_owned(),
            own: Own::Refused,
        };
        let decided = approvals::decide(&self.database, decision).await;
        assert_eq!(decided, Ok(Decided::Yes));
    }
}

fn wants_approval(reply: Reply) {
    let fault = fault(reply);
    assert_eq!(fault.host_code(), Some(HostCode::ApprovalRequired));
}

#[tokio::test]
async fn what_is_irreversible_runs_once_for_each_time_it_was_approved() {
    for key in [None, Some("k")] {
        let world = world().await;
        world.declares(&[("POST /", Declared::Irreversible)], Undeclared::Allow);
        wants_approval(world.post(key, "send it").await);
        wants_approval(world.post(key, "send it").await);
        let [waits] = <[_; 1]>::try_from(world.waiting().await).unwrap();
        assert_eq!(waits.payload.as_deref(), Some(&b"send it"[..]));
        assert_eq!((&*waits.service, &*waits.operation), ("orders", "POST /"));
        world.grant(&waits.id).await;
        // It is for this request and no other.
        wants_approval(world.post(key, "send more").await);
        assert_eq!(world.ran(), 0);
        assert_eq!(seen(world.post(key, "send it").await).0, 201);
        let again = world.post(key, "send it").await;
        match key {
            // The same call, which was done.
            Some(_) => assert_eq!(seen(again).0, 201),
            // Another one.
            None => wants_approval(again),
        }
        assert_eq!(world.ran(), 1);
    }
}

#[tokio::test]
async fn what_is_asked_as_if_it_changed_nothing_changes_nothing_where_it_would_need_an_approval() {
    let world = world().await;
    let reached = world.ran.clone();
    register(
        &world.pipeline,
        &upstream("http://a.b:80"),
        All::default(),
        move |_| {
            reached.fetch_add(1, SeqCst);
            Box::pin(async { Ok(answer(200, text(""))) })
        },
    );
    for (declared, done) in [("POST /", 0), ("POST /other", 1)] {
        let declared = BTreeMap::from([(declared.to_owned(), Declared::Irreversible)]);
        let effects = Effects::new(&declared, &[], &Contract::default(), Undeclared::Allow);
        let settings = All::default().with(effects.unwrap());
        register(&world.pipeline, &service("orders"), settings, |admitted| {
            let (_, scope) = admitted.into_parts();
            Box::pin(async move {
                let request = http::Request::builder().method("POST").uri("http://a.b/");
                let payload = Payload::Http(request.body(Body::empty()).unwrap());
                let target = upstream("http://a.b:80");
                let reply = scope
                    .ask(target, "POST /".into(), None, payload)
                    .reply
                    .await;
                let refused = reply.err().and_then(|fault| fault.host_code());
                Ok(answer(if refused.is_some() { 403 } else { 200 }, text("")))
            })
        });
        let mut call = world.call(None, "GET", "");
        call.operation = "GET /".into();
        assert!(world.pipeline.run(call).await.is_ok());
        assert_eq!(world.ran(), done);
    }
}

#[tokio::test]
async fn a_call_that_came_to_nothing_has_used_no_approval() {
    let world = world().await;
    world.declares(&[("POST /", Declared::Irreversible)], Undeclared::Allow);
    wants_approval(world.post(None, "x").await);
    let waits = world.waiting().await.remove(0);
    world.grant(&waits.id).await;
    // Nobody ran it: there was no room.
    let declared = BTreeMap::from([("POST /".to_owned(), Declared::Irreversible)]);
    let effects = Effects::new(&declared, &[], &Contract::default(), Undeclared::Allow);
    let settings = All::default().with(effects.unwrap());
    register(&world.pipeline, &service("orders"), settings, |_| {
        let verdict = holdfast_call::Verdict {
            boundary: HostCode::Draining.meaning().boundary,
            stage: "admit",
            cause: String::new(),
            evidence: Vec::new(),
            next: String::new(),
        };
        let kind = holdfast_call::FailureKind::Passed(Fault::host(HostCode::Draining, "", verdict));
        Box::pin(async move { Err(holdfast_call::Failure::new(kind, "")) })
    });
    let refused = fault(world.post(None, "x").await);
    assert_eq!(refused.host_code(), Some(HostCode::Draining));
    let [still] = <[_; 1]>::try_from(world.waiting().await).unwrap();
    assert_eq!((still.id, still.standing), (waits.id, Standing::Granted));
}

#[tokio::test]
async fn what_is_too_long_to_be_looked_at_is_approved_by_its_hash_and_length() {
    static LONG: [u8; (16 << 10) + 1] = [b'x'; (16 << 10) + 1];
    let world = world().await;
    world.declares(&[("POST /", Declared::Irreversible)], Undeclared::Allow);
    let text = |bytes: &'static [u8]| std::str::from_utf8(bytes).unwrap();
    for (body, kept) in [(&LONG[..], false), (&LONG[1..], true)] {
        wants_approval(world.post(None, text(body)).await);
        let waits = world.waiting().await.pop().unwrap();
        assert_eq!(waits.payload_bytes, body.len() as u64);
        assert_eq!(waits.payload.is_some(), kept);
    }
    // The longer one is another action, although less of it is seen.
    assert_eq!(world.waiting().await.len(), 2);
}

#[tokio::test]
async fn what_nobody_declares_is_done_held_or_refused_as_the_policy_says() {
    let world = world().await;
    world.declares(&[], Undeclared::Allow);
    assert_eq!(seen(world.post(None, "x").await).0, 201);
    world.declares(&[], Undeclared::Refuse);
    let refused = fault(world.post(None, "x").await);
    assert_eq!(refused.host_code(), Some(HostCode::Forbidden));
    let refused = fault(world.post(Some("k"), "x").await);
    assert_eq!(refused.host_code(), Some(HostCode::Forbidden));
    world.declares(&[], Undeclared::Hold);
    wants_approval(world.post(None, "x").await);
    assert_eq!(world.ran(), 1);
}

#[tokio::test]
async fn what_can_be_undone_is_kept_with_what_undoes_it_also_without_a_key() {
    let world = world().await;
    let undo = Declared::Undo("POST /undo".into());
    world.declares(&[("POST /", undo)], Undeclared::Allow);
    let mut call = world.call(None, "POST", "x");
    call.operation = "POST /".into();
    let id = call.id.to_string();
    assert_eq!(seen(world.pipeline.run(call).await).0, 201);
    let kept = executions::undoable(&world.database, &id).await.unwrap();
    let kept = kept.unwrap();
    assert_eq!(kept.undo.operation, "POST /undo");
    let Ok(Payload::Http(request)) = undoing(&kept.undo.operation, &kept.outcome, None) else {
        panic!("it is a request");
    };
    assert_eq!(request.uri().path(), "/undo");
    assert_eq!(request.body().as_whole().unwrap(), "order 7");
    // Without a key nothing is the same call as another.
    assert_eq!(seen(world.post(None, "x").await).0, 201);
    assert_eq!(world.ran(), 2);
}
