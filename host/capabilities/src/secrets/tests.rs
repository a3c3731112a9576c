//! The tests of `secrets`: what is a code, whose it may be, and what nobody is told.

use super::*;
use data_encoding::HEXLOWER;
use holdfast_call::Unread;
use std::sync::Mutex;

/// The key of RFC 4231's test case 2 is too short for us, so this is its case 4: 25 bytes, from 1 to 25.
const KEY: &str = "0102030405060708090a0b0c0d0e0f10111213141516171819";
const SHA256: &str = "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b";
const SHA512: &str = "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db\
                      a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd";

fn message() -> Bytes {
    Bytes::from(vec![0xcd; 50])
}

/// A secret whose source can be written to.
fn secret(text: &str) -> (Arc<Mutex<String>>, SecretKey) {
    let file = Arc::new(Mutex::new(text.to_owned()));
    let content = file.clone();
    let source = move || Secret::new(&content.lock().unwrap()).map_err(Unread::Wrong);
    let key = SecretKey {
        held: Held::read(Box::new(source)).unwrap(),
        encoding: Encoding::Hex,
    };
    (file, key)
}

fn run(key: &SecretKey, payload: Payload) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(key.run(payload, Moment::START))
}

fn signed(key: &SecretKey, algorithm: &str, message: Bytes) -> Result<String, Failure> {
    let values = vec![Value::Text(algorithm.into()), Value::Bytes(message)];
    match run(key, Payload::Values(SIGN.into(), values))? {
        Value::Bytes(code) => Ok(HEXLOWER.encode(&code)),
        other => panic!("{other:?}"),
    }
}

fn verified(key: &SecretKey, algorithm: &str, message: Bytes, code: &[u8]) -> bool {
    let code = Bytes::copy_from_slice(code);
    let values = vec![
        Value::Text(algorithm.into()),
        Value::Bytes(message),
        Value::Bytes(code),
    ];
    run(key, Payload::Values(VERIFY.into(), values)).unwrap() == Value::Bool(true)
}

#[test]
fn a_code_is_what_the_standard_says() {
    let (_, key) = secret(KEY);
    assert_eq!(signed(&key, "hmac-sha256", message()).unwrap(), SHA256);
    assert_eq!(signed(&key, "hmac-sha512", message()).unwrap(), SHA512);
    for (algorithm, code) in [("hmac-sha256", SHA256), ("hmac-sha512", SHA512)] {
        let code = HEXLOWER.decode(code.as_bytes()).unwrap();
        assert!(verified(&key, algorithm, message(), &code));
    }
}

#[test]
fn a_long_message_is_hashed_as_one() {
    let (_, key) = secret(KEY);
    let long = Bytes::from(vec![7; STRIDE_BYTES * 2 + 1]);
    let code = signed(&key, "hmac-sha256", long.clone()).unwrap();
    let mut whole = Code::begin("hmac-sha256", &HEXLOWER.decode(KEY.as_bytes()).unwrap()).unwrap();
    whole.update(&long);
    assert_eq!(code, HEXLOWER.encode(&whole.made()));
}

#[test]
fn what_is_not_the_whole_code_is_none() {
    let (_, key) = secret(KEY);
    let code = HEXLOWER.decode(SHA256.as_bytes()).unwrap();
    let mut other = code.clone();
    other[31] ^= 1;
    assert!(!verified(&key, "hmac-sha256", message(), &other));
    assert!(!verified(&key, "hmac-sha256", message(), &code[..31]));
    assert!(!verified(&key, "hmac-sha256", message(), &[]));
    assert!(!verified(&key, "hmac-sha512", message(), &code));
    assert!(!verified(&key, "hmac-sha256", Bytes::new(), &code));
}

#[test]
fn a_code_of_the_value_before_is_still_taken_and_never_made() {
    let (file, key) = secret(KEY);
    let before = HEXLOWER.decode(SHA256.as_bytes()).unwrap();
    file.lock().unwrap().replace_range(..2, "ff");
    key.held.look(Moment::START).unwrap();
    let now = signed(&key, "hmac-sha256", message()).unwrap();
    assert_ne!(now, SHA256);
    assert!(verified(&key, "hmac-sha256", message(), &before));
    let now = HEXLOWER.decode(now.as_bytes()).unwrap();
    assert!(verified(&key, "hmac-sha256", message(), &now));
}

#[test]
fn no_code_is_made_with_a_public_key() {
    let (_, key) = secret("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    let key = SecretKey {
        encoding: Encoding::Ed25519,
        ..key
    };
    let refused = signed(&key, "hmac-sha256", message()).unwrap_err();
    assert!(matches!(refused.kind, FailureKind::NoSuchOperation));
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let (_, key) = secret(KEY);
    let kind = |payload| run(&key, payload).unwrap_err().kind;
    let text = |text: &str| Value::Text(text.into());
    let unknown = vec![text("hmac-md5"), Value::Bytes(message())];
    assert!(matches!(
        kind(Payload::Values(SIGN.into(), unknown)),
        FailureKind::InvalidInput
    ));
    for payload in [
        Payload::Values("get".into(), vec![]),
        Payload::Values(SIGN.into(), vec![text("hmac-sha256")]),
        Payload::Values(
            VERIFY.into(),
            vec![text("hmac-sha256"), Value::Bytes(message())],
        ),
        Payload::Http(http::Request::new(holdfast_call::Body::empty())),
    ] {
        assert!(matches!(kind(payload), FailureKind::NoSuchOperation));
    }
}
