//! One operation: what it takes, and what it answers.

use super::content::Media;
use super::parameter::Parameter;
use super::path::Template;
use http::{Method, StatusCode};
use std::sync::Arc;

/// A path, and what can be done there.
pub(super) struct Path {
    pub(super) template: Template,
    pub(super) operations: Vec<Operation>,
}

impl Path {
    /// What can be done here; where there is `GET`, there is `HEAD`.
    pub(super) fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<_> = self
            .operations
            .iter()
            .map(|one| one.method.clone())
            .collect();
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        methods
    }
}

/// Something that can be done at a path.
pub struct Operation {
    /// `POST /orders/{id}`.
    pub(super) name: Arc<str>,
    pub(super) method: Method,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Taken,
    pub(super) answers: Vec<Answers>,
}

/// What body an operation takes.
pub(super) enum Taken {
    /// Nothing is said of it.
    Anything,
    /// None.
    Nothing,
    /// Of these content types.
    Of {
        /// The content types.
        media: Media,
        /// Whether there must be one.
        required: bool,
    },
}

/// What is answered with some statuses.
pub(super) struct Answers {
    pub(super) statuses: Statuses,
    /// No content type where nothing is said of the body.
    pub(super) media: Media,
}

/// Some statuses, the nearest description first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Statuses {
    One(u16),
    /// `4XX`, by its first digit.
    Hundred(u16),
    /// All others.
    Default,
}

impl Statuses {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hundred = |text: &str| match text.as_bytes() {
            [digit @ b'1'..=b'5', b'X' | b'x', b'X' | b'x'] => Some(u16::from(digit - b'0')),
            _ => None,
        };
        match text {
            "default" => Some(Self::Default),
            _ if text.len() == 3 => match text.parse::<u16>() {
                Ok(status @ 100..=599) => Some(Self::One(status)),
                Ok(_) => None,
                Err(_) => hundred(text).map(Self::Hundred),
            },
            _ => None,
        }
    }

    fn has(self, status: u16) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::Hundred(digit) => status / 100 == digit,
            Self::Default => true,
        }
    }
}

impl Operation {
    /// Its method and path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is said of answers with a status.
    pub(super) fn answered(&self, status: StatusCode) -> Option<&Answers> {
        let answers = self.answers.iter();
        let fitting = answers.filter(|answers| answers.statuses.has(status.as_u16()));
        fitting.min_by_key(|answers| answers.statuses)
    }
}

/// A method of HTTP, by the name that OpenAPI has for it.
pub(super) fn method(name: &str) -> Option<Method> {
    let known = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::OPTIONS,
        Method::HEAD,
        Method::PATCH,
        Method::TRACE,
    ];
    let mut known = known.into_iter();
    known.find(|method| method.as_str().eq_ignore_ascii_case(name))
}
