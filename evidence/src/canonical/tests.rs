use super::*;
use proptest::prelude::*;
use serde_json::json;

fn refused(text: &str, expect: &str) {
    let error = from_slice(text.as_bytes()).expect_err(text).to_string();
    assert!(error.contains(expect), "{text}: {error}");
}

#[test]
fn what_two_readers_may_understand_differently_is_refused_with_its_place() {
    refused(r#"{"a":1,"a":2}"#, "duplicate key `a`");
    refused(r#"{"x":{"a":1,"b":2,"a":1}}"#, "line 1 column 24");
    refused("1.5", "float");
    refused("1.0", "float");
    refused("1e2", "float");
    refused("-0", "float");
    refused("9007199254740993", "beyond ±2^53");
    refused("-9007199254740993", "beyond ±2^53");
    refused("18446744073709551615", "beyond ±2^53");
    refused("[1] 2", "trailing");
    refused("NaN", "expected");
    refused(&"[".repeat(100), "nested too deeply");
}

#[test]
fn integers_up_to_two_to_the_53rd_are_kept() {
    for n in [MAX_INTEGER, -MAX_INTEGER, 0, -1] {
        assert_eq!(to_vec(&json!(n)).expect("canonical"), n.to_string().into_bytes());
        assert_eq!(from_slice(n.to_string().as_bytes()).expect("strict"), json!(n));
    }
    for n in [MAX_INTEGER + 1, -MAX_INTEGER - 1] {
        assert!(to_vec(&json!({ "a": [n] })).is_err());
    }
    let error = to_vec(&json!({"a": [1, 2.5]})).expect_err("float").to_string();
    assert!(error.contains("$.a[1]"), "{error}");
}

/// RFC 8785 section 3.2.2 and 3.2.3, without the numbers that evidence does not have.
#[test]
fn strings_and_key_order_follow_rfc_8785() {
    let text = r#"{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
    let expect = "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    let value = from_slice(text.as_bytes()).expect("strict");
    assert_eq!(String::from_utf8(to_vec(&value).expect("canonical")).expect("UTF-8"), expect);

    let unsorted = "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\",\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}";
    let value = from_slice(unsorted.as_bytes()).expect("strict");
    let canonical = String::from_utf8(to_vec(&value).expect("canonical")).expect("UTF-8");
    let order =
        ["Carriage Return", "One", "Control", "Latin Small", "Euro Sign", "Emoji", "Hebrew"];
    let places: Vec<_> = order.iter().map(|word| canonical.find(word)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{canonical}");
}

/// RFC 8785 appendix B: the samples are IEEE doubles. Those that are integers within ±2⁵³ are
/// written as the RFC says; every other one is refused, never rounded.
#[test]
fn the_number_samples_of_rfc_8785_are_written_as_given_or_refused() {
    let samples: [(u64, &str); 24] = [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0xffefffffffffffff, "-1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0xc340000000000000, "-9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44b52d02c7e14af5, "9.999999999999997e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
        (0x444b1ae4d6e2ef4e, "999999999999999700000"),
        (0x444b1ae4d6e2ef4f, "999999999999999900000"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x41b3de4355555553, "333333333.3333332"),
        (0x41b3de4355555554, "333333333.33333325"),
        (0x41b3de4355555555, "333333333.3333333"),
        (0x41b3de4355555556, "333333333.3333334"),
        (0x41b3de4355555557, "333333333.33333343"),
        (0xbecbf647612f3696, "-0.0000033333333333333333"),
        (0x43143ff3c1cb0959, "1424953923781206.2"),
    ];
    for (bits, text) in samples {
        let double = f64::from_bits(bits);
        // The canonicaliser under us is held to the RFC …
        assert_eq!(serde_json_canonicalizer::to_string(&double).expect("number"), text);
        // … and our own door lets only exact integers through.
        match text.parse::<i64>() {
            Ok(n) if n.abs() <= MAX_INTEGER => {
                assert_eq!(to_vec(&json!(n)).expect("integer"), text.as_bytes());
            }
            _ => assert!(from_slice(text.as_bytes()).is_err(), "{text}"),
        }
        assert!(to_vec(&double).is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_bytes_read_back_to_the_same_value_and_the_same_bytes(value in any_json()) {
        let bytes = to_vec(&value).expect("canonical");
        let read = from_canonical_slice(&bytes).expect("read back");
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(to_vec(&read).expect("canonical"), bytes);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_slice(&bytes);
    }
}

#[test]
fn json_that_is_not_in_canonical_form_is_refused_as_evidence() {
    assert!(matches!(from_canonical_slice(b"{ \"a\":1}"), Err(CanonicalError::Form)));
    assert!(matches!(from_canonical_slice(br#"{"b":1,"a":1}"#), Err(CanonicalError::Form)));
    assert!(from_canonical_slice(br#"{"a":1,"b":1}"#).is_ok());
}
