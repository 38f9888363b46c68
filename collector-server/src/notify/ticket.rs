//! Tickets, by requests that the operator writes: one opens it, one may say that it is resolved.

use super::post::{self, Answer, Outcome};
use super::secret::secret_text;
use super::text::Told;
use super::{ChannelError, refused_url};
use crate::config;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

/// Words in braces, and what they stand for.
const WORDS: [&str; 15] = [
    "alert",
    "event",
    "at",
    "title",
    "severity",
    "lane",
    "cause",
    "hosts",
    "host_names",
    "groups",
    "owners",
    "controls",
    "text",
    "url",
    "ticket",
];

#[derive(Clone)]
pub(super) struct Ticket {
    open: Template,
    resolve: Option<Template>,
    /// A JSON pointer (RFC 6901) into the answer.
    pointer: Option<String>,
    authorization: Option<HeaderValue>,
    client: Client,
}

#[derive(Clone)]
struct Template {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Value,
}

impl Ticket {
    pub(super) fn new(section: &config::Ticket) -> Result<Self, ChannelError> {
        let name = &section.name;
        let refused = |why: String| ChannelError::Template { name: name.clone(), why };
        if section.resolve.is_some() && section.ticket.is_none() {
            let why = "`resolve` needs `ticket`, which says where the answer names the ticket";
            return Err(refused(why.to_owned()));
        }
        let authorization = match &section.authorization_file {
            None => None,
            Some(path) => {
                let text = secret_text(path).map_err(|source| ChannelError::Secret {
                    section: "notify.ticket".to_owned(),
                    name: name.clone(),
                    source,
                })?;
                let mut value = HeaderValue::from_str(text.trim())
                    .map_err(|_| refused("authorization_file holds more than a line".into()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            open: Template::new(name, &section.open)?,
            resolve: section.resolve.as_ref().map(|of| Template::new(name, of)).transpose()?,
            pointer: section.ticket.clone(),
            authorization,
            client: post::client()?,
        })
    }

    /// One attempt at the step of this name. `ticket` is what the receiver called the one of this alert.
    pub(super) async fn send(&self, id: &str, told: &Told, ticket: Option<&str>) -> Outcome {
        let template = match (told.is_end(), &self.resolve, ticket) {
            // Nothing closed the one that there is.
            (false, None, Some(_)) => return Outcome::default(),
            (false, ..) => &self.open,
            (true, Some(resolve), Some(_)) => resolve,
            // Its opening may still be under way.
            (true, Some(_), None) => {
                let why = "no ticket of this alert is known that could be resolved";
                return Outcome::failed(why.to_owned());
            }
            (true, None, _) => return Outcome::default(),
        };
        let fill = |text: &str| filled(text, told, ticket);
        let url = match post::url(&fill_url(&template.url, told, ticket)) {
            Ok(url) => url,
            Err(why) => return Outcome::failed(format!("the address is refused: {why}")),
        };
        let mut request = self.client.request(template.method.clone(), url);
        request = request.headers(template.headers.clone()).header("idempotency-key", id);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let Answer { mut outcome, body } =
            post::send(request.json(&each_text(&template.body, &fill))).await;
        if outcome.error.is_none() && !told.is_end() {
            outcome.reference = self.pointer.as_ref().and_then(|at| named(&body, at));
        }
        outcome
    }
}

impl Template {
    fn new(name: &str, request: &config::Request) -> Result<Self, ChannelError> {
        let refused = |why: String| ChannelError::Template { name: name.to_owned(), why };
        // With words in it, it is no address yet.
        post::url(&fill_url(&request.url, &Told::default(), Some("1")))
            .map_err(|why| refused_url("notify.ticket", name, &request.url, why))?;
        let method = request
            .method
            .parse()
            .map_err(|_| refused(format!("`{}` is no method of HTTP", request.method)))?;
        let mut headers = HeaderMap::new();
        for (key, value) in &request.headers {
            let key: HeaderName =
                key.parse().map_err(|_| refused(format!("`{key}` is no header")))?;
            let value = value.parse().map_err(|_| refused(format!("the value of `{key}`")))?;
            headers.insert(key, value);
        }
        let body = serde_json::to_value(&request.body).map_err(|e| refused(e.to_string()))?;
        let mut unknown = unknown_word(&request.url);
        visit(&body, &mut |text| unknown = unknown.take().or_else(|| unknown_word(text)));
        match unknown {
            Some(word) => Err(refused(format!(
                "`{{{word}}}` stands for nothing; known: {}",
                WORDS.join(", ")
            ))),
            None => Ok(Self { method, url: request.url.clone(), headers, body }),
        }
    }
}

fn visit(value: &Value, of: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => of(text),
        Value::Array(items) => items.iter().for_each(|item| visit(item, of)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, of)),
        _ => {}
    }
}

/// The value with every text of it changed; what a host said stays within its text.
fn each_text(value: &Value, of: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(of(text)),
        Value::Array(items) => items.iter().map(|item| each_text(item, of)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, field)| (key.clone(), each_text(field, of))).collect()
        }
        other => other.clone(),
    }
}

/// Words in braces, in order, each with what stands before it; at last what is left.
fn words(text: &str) -> (Vec<(&str, &str)>, &str) {
    let (mut found, mut rest) = (vec![], text);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((word, after)) = after.split_once('}') else { break };
        found.push((before, word));
        rest = after;
    }
    (found, rest)
}

fn unknown_word(text: &str) -> Option<String> {
    let (found, _) = words(text);
    let unknown = found.into_iter().find(|(_, word)| !WORDS.contains(word));
    unknown.map(|(_, word)| word.to_owned())
}

fn filled(text: &str, told: &Told, ticket: Option<&str>) -> String {
    let (found, rest) = words(text);
    let mut whole = String::new();
    for (before, word) in found {
        whole.push_str(before);
        whole.push_str(&value(word, told, ticket));
    }
    whole + rest
}

/// In an address a value is one part of it, whatever it holds.
fn fill_url(text: &str, told: &Told, ticket: Option<&str>) -> String {
    let (found, rest) = words(text);
    let mut whole = String::new();
    for (before, word) in found {
        whole.push_str(before);
        for byte in value(word, told, ticket).bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {
                    whole.push(char::from(byte));
                }
                other => whole.push_str(&format!("%{other:02X}")),
            }
        }
    }
    whole + rest
}

fn value(word: &str, told: &Told, ticket: Option<&str>) -> String {
    match word {
        "alert" => told.alert.clone(),
        "event" => told.event.clone(),
        "at" => told.at.clone(),
        "title" => told.title.clone(),
        "severity" => told.severity.clone(),
        "lane" => told.lane.clone(),
        "cause" => told.cause.clone(),
        "hosts" => told.hosts.to_string(),
        "host_names" => told.host_names.join(", "),
        "groups" => told.groups.join(", "),
        "owners" => told.owners.join(", "),
        "controls" => told.controls.join(", "),
        "text" => told.lines(),
        "url" => told.url.clone().unwrap_or_default(),
        "ticket" => ticket.unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// What the answer calls the ticket.
fn named(body: &[u8], pointer: &str) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    match answer.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
