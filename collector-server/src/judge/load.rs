//! Loads rule sets, and refuses whatever could judge wrongly, with the place and a suggestion.

use super::cel::{self, Program};
use super::check::{self, Names, Purpose, Reads};
use super::example;
use super::overlay::{self, Set};
use super::resolve::Resolved;
use super::rule::{Compiled, Document, Expression, Profile, Rule, RuleError, SourceFile, Written};
use super::shape::Known;
use crate::catalogue::Catalogue;
use crate::place;
use ::cel::common::ast::IdedExpr;
use evidence::declared::{Declaration, PREFIX};
use evidence::{Digest, canonical};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// The rules that are compiled in: `config/rules`.
const BUILTIN: &[(&str, &str)] = &[
    ("accounts.toml", include_str!("../../../config/rules/accounts.toml")),
    ("audit.toml", include_str!("../../../config/rules/audit.toml")),
    ("authorized_keys.toml", include_str!("../../../config/rules/authorized_keys.toml")),
    ("backup.toml", include_str!("../../../config/rules/backup.toml")),
    ("capacity.toml", include_str!("../../../config/rules/capacity.toml")),
    ("certificates.toml", include_str!("../../../config/rules/certificates.toml")),
    ("containers.toml", include_str!("../../../config/rules/containers.toml")),
    ("endpoint_protection.toml", include_str!("../../../config/rules/endpoint_protection.toml")),
    ("file_integrity.toml", include_str!("../../../config/rules/file_integrity.toml")),
    ("file_permissions.toml", include_str!("../../../config/rules/file_permissions.toml")),
    ("file_walk.toml", include_str!("../../../config/rules/file_walk.toml")),
    ("firewall.toml", include_str!("../../../config/rules/firewall.toml")),
    ("host_os.toml", include_str!("../../../config/rules/host_os.toml")),
    ("kernel.toml", include_str!("../../../config/rules/kernel.toml")),
    ("kernel_hardening.toml", include_str!("../../../config/rules/kernel_hardening.toml")),
    ("listening_ports.toml", include_str!("../../../config/rules/listening_ports.toml")),
    ("logging.toml", include_str!("../../../config/rules/logging.toml")),
    ("logins.toml", include_str!("../../../config/rules/logins.toml")),
    ("mac.toml", include_str!("../../../config/rules/mac.toml")),
    ("meta.toml", include_str!("../../../config/rules/meta.toml")),
    ("package_updates.toml", include_str!("../../../config/rules/package_updates.toml")),
    ("packages.toml", include_str!("../../../config/rules/packages.toml")),
    ("password_policy.toml", include_str!("../../../config/rules/password_policy.toml")),
    ("platform_trust.toml", include_str!("../../../config/rules/platform_trust.toml")),
    ("services.toml", include_str!("../../../config/rules/services.toml")),
    ("session_lock.toml", include_str!("../../../config/rules/session_lock.toml")),
    ("ssh_server.toml", include_str!("../../../config/rules/ssh_server.toml")),
    ("storage.toml", include_str!("../../../config/rules/storage.toml")),
    ("sudo.toml", include_str!("../../../config/rules/sudo.toml")),
    ("time_sync.toml", include_str!("../../../config/rules/time_sync.toml")),
];

/// Rules that have been checked, with the files they came from.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub(super) resolved: Resolved,
    known: Known,
    catalogue: Catalogue,
    sources: Vec<(String, String)>,
    id: Digest,
    refused: bool,
}

impl RuleSet {
    /// The rules that are compiled in.
    pub fn builtin(catalogue: &Catalogue) -> Result<Self, Vec<RuleError>> {
        Self::from_sources(&product(), catalogue)
    }

    /// The rules that a configuration chose.
    pub fn chosen(
        chosen: &crate::config::Rules,
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<RuleError>> {
        Self::with_overlay(chosen, &[], catalogue)
    }

    /// The rules that a configuration chose, under what the organisation lays over them.
    pub fn with_overlay(
        chosen: &crate::config::Rules,
        overlay: &[(String, String)],
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<RuleError>> {
        let mut sources = match chosen.directory.as_os_str().is_empty() {
            true => product(),
            false => with_files(&chosen.directory)?,
        };
        sources.extend_from_slice(overlay);
        Ok(Self::from_sources(&sources, catalogue)?.only(&chosen.profiles))
    }

    /// The rules that are compiled in, and those of a directory beside them.
    pub fn with_own(dir: &Path, catalogue: &Catalogue) -> Result<Self, Vec<RuleError>> {
        Self::from_sources(&with_files(dir)?, catalogue)
    }

    /// Reads every `*.toml` of a directory: rules, and kinds that are declared (`own_NAME.toml`).
    pub fn load_dir(dir: &Path, catalogue: &Catalogue) -> Result<Self, Vec<RuleError>> {
        Self::from_sources(&files(dir)?, catalogue)
    }

    /// Loads rules from (file name, text); the order of the files does not matter.
    pub fn from_sources(
        sources: &[(String, String)],
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<RuleError>> {
        let mut sources = sources.to_vec();
        sources.sort();
        let nowhere = |message: &str| {
            vec![SourceFile { name: "rules", text: "" }.error(0, None, message.to_owned())]
        };
        let loaded = cel::on_large_stack(|| Loader::new(catalogue.clone()).load(&sources));
        let loaded = loaded.ok_or_else(|| nowhere("no thread could load them"))??;
        let bytes = canonical::to_vec(&sources).map_err(|error| nowhere(&error.to_string()))?;
        let Loaded { resolved, known, catalogue } = loaded;
        Ok(Self { resolved, known, catalogue, sources, id: Digest::of(&bytes), refused: false })
    }

    /// The rules of some profiles. Another choice is another rule set, with an id of its own.
    pub fn only(mut self, profiles: &[Profile]) -> Self {
        self.resolved.retain(profiles);
        let mut names: Vec<_> = profiles.iter().map(|profile| profile.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        self.id = Digest::of_parts(&[self.id.as_bytes(), names.join(" ").as_bytes()]);
        self
    }

    /// The set of this name (its id, hexadecimal), from the sources that were stored with it: the name
    /// says which profiles were chosen, and whether it was refused. None if they do not fit.
    pub fn named(
        name: &str,
        sources: &[(String, String)],
        catalogue: &Catalogue,
    ) -> Result<Option<Self>, Vec<RuleError>> {
        let whole = Self::from_sources(sources, catalogue)?;
        let all = [Profile::Essential, Profile::Standard, Profile::Hardened, Profile::Optional];
        let choices = (0..16_u8).map(|choice| {
            let chosen = all.iter().enumerate().filter(|(bit, _)| choice & (1 << bit) != 0);
            chosen.map(|(_, profile)| *profile).collect::<Vec<_>>()
        });
        for profiles in choices {
            let mut names: Vec<_> = profiles.iter().map(|profile| profile.as_str()).collect();
            names.sort_unstable();
            let id = Digest::of_parts(&[whole.id.as_bytes(), names.join(" ").as_bytes()]);
            if id.to_string() == name {
                return Ok(Some(whole.only(&profiles)));
            }
            if Digest::of_parts(&[id.as_bytes(), b"refused"]).to_string() == name {
                return Ok(Some(whole.only(&profiles).refused()));
            }
        }
        Ok((whole.id.to_string() == name).then_some(whole))
    }

    /// Some of the rules, for a backtest of them.
    #[must_use]
    pub fn with_only(mut self, ids: &std::collections::BTreeSet<String>) -> Self {
        self.resolved.keep(|rule| ids.contains(&rule.id));
        let names: Vec<_> = ids.iter().map(String::as_str).collect();
        self.id = Digest::of_parts(&[self.id.as_bytes(), names.join(" ").as_bytes()]);
        self
    }

    /// The same rules, and not one of them to be relied on: each result is unknown. What an
    /// organisation says of them cannot be read, and without it they might pass.
    pub fn refused(mut self) -> Self {
        self.refused = true;
        self.id = Digest::of_parts(&[self.id.as_bytes(), b"refused"]);
        self
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// The files as they were read, by name.
    pub fn sources(&self) -> &[(String, String)] {
        &self.sources
    }

    /// SHA-256 of the canonical JSON of `sources`.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Controls of the standard, and those of the organisation.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Every rule that judges any host, each once: as it is for hosts of groups that nothing is
    /// said of, where it judges them.
    pub fn rules(&self) -> &[Rule] {
        &self.resolved.all
    }

    /// One of [`RuleSet::rules`].
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.resolved.all.iter().find(|rule| rule.id == id)
    }
}

/// The files that are compiled in.
fn product() -> Vec<(String, String)> {
    BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The files that are compiled in, and those of a directory.
fn with_files(dir: &Path) -> Result<Vec<(String, String)>, Vec<RuleError>> {
    let named = |(name, text): (String, String)| (format!("{}/{name}", dir.display()), text);
    Ok(product().into_iter().chain(files(dir)?.into_iter().map(named)).collect())
}

/// Every `*.toml` of a directory, by name.
fn files(dir: &Path) -> Result<Vec<(String, String)>, Vec<RuleError>> {
    let fail = |path: &Path, error: std::io::Error| {
        let name = path.display().to_string();
        vec![SourceFile { name: &name, text: "" }.error(0, None, error.to_string())]
    };
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| fail(dir, error))? {
        let path = entry.map_err(|error| fail(dir, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|error| fail(&path, error))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            sources.push((name.unwrap_or_default(), text));
        }
    }
    if sources.is_empty() {
        return Err(fail(dir, std::io::Error::other("holds no *.toml file")));
    }
    Ok(sources)
}

/// What came of loading.
struct Loaded {
    resolved: Resolved,
    known: Known,
    catalogue: Catalogue,
}

pub(super) struct Loader {
    pub(super) catalogue: Catalogue,
    known: Known,
    /// What must hold of each kind, and how that is written.
    guards: BTreeMap<String, (Expression, String)>,
    /// Ids of rules that were met, sound or not.
    pub(super) seen: BTreeSet<String>,
    /// Parameters with their defaults, by rule.
    pub(super) defaults: BTreeMap<String, BTreeMap<String, Value>>,
    pub(super) settings: Vec<Set>,
    /// Reasons, by rule and group.
    pub(super) off: BTreeMap<(String, Option<String>), String>,
    /// Groups that something is said of.
    pub(super) named: BTreeSet<String>,
    own_examples: usize,
    pub(super) errors: Vec<RuleError>,
}

/// The rule that is being loaded.
pub(super) struct Draft<'a> {
    pub(super) file: SourceFile<'a>,
    pub(super) id: &'a str,
    pub(super) evidence: &'a [String],
    pub(super) params: &'a BTreeMap<String, Value>,
}

impl Loader {
    fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            known: Known::default(),
            guards: BTreeMap::new(),
            seen: BTreeSet::new(),
            defaults: BTreeMap::new(),
            settings: Vec::new(),
            off: BTreeMap::new(),
            named: BTreeSet::new(),
            own_examples: 0,
            errors: Vec::new(),
        }
    }

    fn load(mut self, sources: &[(String, String)]) -> Result<Loaded, Vec<RuleError>> {
        let mut documents: Vec<(SourceFile, Document)> = Vec::new();
        // The product's first: what meets it is at fault.
        let mut ordered: Vec<_> = sources.iter().collect();
        ordered.sort_by_key(|(name, _)| overlay::is_own(name));
        let (declarations, rules): (Vec<_>, Vec<_>) =
            ordered.into_iter().partition(|(name, _)| declares(name));
        for (name, text) in declarations {
            self.declare(SourceFile { name, text });
        }
        for (name, text) in rules {
            let file = SourceFile { name, text };
            match file.parse() {
                Ok(document) => documents.push((file, document)),
                Err(error) => self.errors.push(error),
            }
        }
        for (file, document) in &documents {
            self.own_controls(*file, document);
            for (kind, source) in &document.guard {
                self.kind_guard(*file, kind, source);
            }
        }
        let mut bases = Vec::new();
        for (file, document) in &documents {
            if overlay::is_own(file.name) {
                self.few(*file, &document.rule, "rules");
            }
            for written in &document.rule {
                let rule = self.rule(*file, written);
                bases.extend(rule.map(|rule| (rule, written.get_ref())));
            }
        }
        for (number, (file, document)) in documents.iter().enumerate() {
            self.settings(number, *file, document);
            self.switched_off(*file, document);
        }
        let files: Vec<_> = documents.iter().map(|(file, _)| *file).collect();
        let resolved = self.resolve(&files, &bases);
        match self.errors.is_empty() {
            true => Ok(Loaded { resolved, known: self.known, catalogue: self.catalogue }),
            false => Err(self.errors),
        }
    }

    pub(super) fn refuse(
        &mut self,
        file: SourceFile,
        rule: Option<&str>,
        at: usize,
        message: String,
    ) {
        self.errors.push(file.error(at, rule, message));
    }

    fn declare(&mut self, file: SourceFile) {
        match Declaration::parse(file.text) {
            Ok(declaration) if self.known.declare(&declaration) => {}
            Ok(declaration) => {
                let message = format!("`{}` is declared already", declaration.kind);
                self.refuse(file, None, 0, message);
            }
            Err(error) => {
                let line_start = file.text.split_inclusive('\n').take(error.line - 1).map(str::len);
                self.refuse(file, None, line_start.sum::<usize>() + error.column - 1, error.reason);
            }
        }
    }

    fn kind_guard(&mut self, file: SourceFile, kind: &Spanned<String>, source: &Spanned<String>) {
        if !self.known_kind(file, None, kind) {
            return;
        }
        let name = kind.get_ref();
        let evidence = [name.clone()];
        let draft = Draft { file, id: "guard", evidence: &evidence, params: &BTreeMap::new() };
        if let Some((expression, reads)) = self.expression(&draft, source, Purpose::Guard) {
            if reads.today {
                self.refuse(file, None, source.span().start, "a guard of a kind has no day".into());
            }
            let guard = (expression, source.get_ref().clone());
            if self.guards.insert(name.clone(), guard).is_some() {
                let message = format!("`{name}` has a guard already");
                self.refuse(file, None, kind.span().start, message);
            }
        }
    }

    fn known_kind(&mut self, file: SourceFile, rule: Option<&str>, kind: &Spanned<String>) -> bool {
        let name = kind.get_ref();
        if self.known.v(name).is_some() {
            return true;
        }
        let suggestion = place::nearest(name, self.known.names());
        let error = file.error(kind.span().start, rule, format!("unknown kind `{name}`"));
        self.errors.push(RuleError { suggestion, ..error });
        false
    }

    fn rule(&mut self, file: SourceFile, written: &Spanned<Written>) -> Option<Rule> {
        let before = self.errors.len();
        let span = written.span();
        let written = written.get_ref();
        self.head(file, written);
        let params = self.params(file, written);
        self.defaults.insert(written.id.get_ref().clone(), params.clone());
        let evidence = sorted(written.evidence.get_ref());
        let draft = Draft { file, id: written.id.get_ref(), evidence: &evidence, params: &params };
        let parts = self.parts(&draft, written, span.start)?;
        let rule = self.assemble(&draft, written, parts);
        if self.errors.len() == before {
            self.examples(file, written, &rule);
        }
        (self.errors.len() == before).then_some(rule)
    }

    /// What can be refused without looking into expressions.
    fn head(&mut self, file: SourceFile, written: &Written) {
        let id = written.id.get_ref().as_str();
        let at = written.id.span().start;
        if !is_kebab_case(id) {
            self.refuse(file, Some(id), at, "an id is kebab-case: a-z, 0-9 and single `-`".into());
        }
        if !self.seen.insert(id.to_owned()) {
            self.refuse(file, Some(id), at, "another rule has this id".into());
        }
        let controls = written.controls.get_ref();
        if controls.len() > 3 {
            let message = "a rule supports at most three controls; name the nearest".into();
            self.refuse(file, Some(id), written.controls.span().start, message);
        }
        for control in controls {
            if self.catalogue.get(control.get_ref()).is_none() {
                let known = self.catalogue.controls().iter().map(|known| known.id.as_str());
                let suggestion = place::nearest(control.get_ref(), known);
                let message = format!("unknown control `{}`", control.get_ref());
                let error = file.error(control.span().start, Some(id), message);
                self.errors.push(RuleError { suggestion, ..error });
            }
        }
        for kind in written.evidence.get_ref() {
            self.known_kind(file, Some(id), kind);
        }
        if written.evidence.get_ref().is_empty() {
            let at = written.evidence.span().start;
            self.refuse(file, Some(id), at, "a rule needs evidence".into());
        }
        self.since(file, written);
    }

    fn since(&mut self, file: SourceFile, written: &Written) {
        for (kind, v) in &written.since {
            let known = written.evidence.get_ref().iter().any(|known| known.get_ref() == kind);
            let newest = self.known.v(kind).unwrap_or(0);
            if !known || *v < 1 || *v > newest {
                let message = format!("since: `{kind}` has no version {v} here");
                self.refuse(file, Some(written.id.get_ref()), written.id.span().start, message);
            }
        }
    }

    fn params(&mut self, file: SourceFile, written: &Written) -> BTreeMap<String, Value> {
        let mut params = BTreeMap::new();
        for (name, value) in &written.params {
            match serde_json::to_value(value.get_ref()) {
                Ok(json) => drop(params.insert(name.clone(), json)),
                Err(error) => {
                    let id = written.id.get_ref();
                    self.refuse(file, Some(id), value.span().start, error.to_string());
                }
            }
        }
        params
    }

    /// Parses and checks one expression.
    fn expression(
        &mut self,
        draft: &Draft,
        source: &Spanned<String>,
        purpose: Purpose,
    ) -> Option<(Expression, Reads)> {
        match self.checked(draft, source.get_ref(), purpose) {
            Ok((expr, reads)) => {
                let program = Program::new(expr);
                Some((Expression { program, reads: reads.paths.clone() }, reads))
            }
            Err((message, word, suggestion)) => {
                let at = draft.file.offset_of(source.span(), word.as_deref());
                let error = draft.file.error(at, Some(draft.id), message);
                self.errors.push(RuleError { suggestion, ..error });
                None
            }
        }
    }

    /// Whether an expression is sound with other parameters than it was written with.
    pub(super) fn recheck(
        &self,
        draft: &Draft,
        source: &str,
        purpose: Purpose,
    ) -> Result<(), String> {
        self.checked(draft, source, purpose).map(drop).map_err(|(message, ..)| message)
    }

    fn checked(&self, draft: &Draft, source: &str, purpose: Purpose) -> Checked {
        let expr = cel::parse(source).map_err(|error| (error.to_string(), None, None))?;
        let names = Names { known: &self.known, kinds: draft.evidence, params: draft.params };
        match check::check(&expr, &names, purpose) {
            Ok(reads) => Ok((expr, reads)),
            Err(fault) => Err((fault.message, fault.word, fault.suggestion)),
        }
    }

    /// All expressions of a rule, and what they read together.
    fn parts(&mut self, draft: &Draft, written: &Written, start: usize) -> Option<Parts> {
        let (source, purpose) = match (&written.offenders, &written.passes) {
            (Some(source), None) => (source, Purpose::Offenders),
            (None, Some(source)) => (source, Purpose::Passes),
            _ => {
                let message = "a rule has either `offenders` or `passes`".to_owned();
                self.refuse(draft.file, Some(draft.id), start, message);
                return None;
            }
        };
        let verdict = self.expression(draft, source, purpose);
        let optional = [(&written.applies, Purpose::Applies), (&written.guard, Purpose::Guard)];
        let [applies, guard] = optional.map(|(source, purpose)| {
            source.as_ref().map(|source| self.expression(draft, source, purpose))
        });
        let (verdict, applies, guard) = (verdict?, absent_or(applies)?, absent_or(guard)?);
        let mut reads = verdict.1;
        if reads.paths.is_empty() {
            let message = "the expression reads no fact".to_owned();
            self.refuse(draft.file, Some(draft.id), source.span().start, message);
        }
        for more in applies.iter().chain(&guard).map(|(_, reads)| reads) {
            reads.paths.extend(more.paths.iter().cloned());
            reads.params.extend(more.params.iter().cloned());
            reads.today |= more.today;
        }
        let [applies, guard] = [applies, guard].map(|part| part.map(|(expression, _)| expression));
        Some(Parts { applies, guard, verdict: verdict.0, reads })
    }

    fn assemble(&mut self, draft: &Draft, written: &Written, parts: Parts) -> Rule {
        let mut reads = parts.reads.paths;
        for kind in written.evidence.get_ref() {
            let prefix = format!("{}.", kind.get_ref());
            if !reads.iter().any(|path| path.starts_with(&prefix)) {
                let message = format!("`{}` is evidence, and nothing reads it", kind.get_ref());
                self.refuse(draft.file, Some(draft.id), kind.span().start, message);
            }
        }
        for (name, value) in &written.params {
            if !parts.reads.params.contains(name) {
                let message = format!("nothing reads parameter `{name}`");
                self.refuse(draft.file, Some(draft.id), value.span().start, message);
            }
        }
        let of_kinds = draft.evidence.iter().filter_map(|kind| self.guards.get(kind).cloned());
        let own = parts.guard.zip(written.guard.as_ref().map(|text| text.get_ref().clone()));
        let (guards, written_guards): (Vec<_>, Vec<_>) = of_kinds.chain(own).unzip();
        reads.extend(guards.iter().flat_map(|guard| guard.reads.iter().cloned()));
        let params = Value::Object(draft.params.clone().into_iter().collect());
        let verdict = written.offenders.as_ref().or(written.passes.as_ref());
        let groups = self.groups(draft.file, written.groups.as_ref()).unwrap_or_default();
        let rule = Rule {
            id: draft.id.to_owned(),
            title: written.title.clone(),
            controls: written.controls.get_ref().iter().map(|c| c.get_ref().clone()).collect(),
            severity: written.severity,
            evidence: draft.evidence.to_vec(),
            rationale: written.rationale.clone(),
            remediation: written.remediation.clone(),
            not_shown: written.not_shown.clone(),
            profile: written.profile,
            reads,
            reads_today: parts.reads.today,
            since: written.since.clone(),
            params: draft.params.clone(),
            policies: BTreeMap::new(),
            own: overlay::is_own(draft.file.name),
            groups,
            applies: written.applies.as_ref().map(|source| source.get_ref().clone()),
            guards: written_guards,
            examples: written.example.len(),
            expression: verdict.map(|source| source.get_ref().clone()).unwrap_or_default(),
            digest: Digest::of(b""),
            compiled: Arc::new(Compiled {
                applies: parts.applies,
                guards,
                verdict: parts.verdict,
                params,
            }),
        };
        Rule { digest: digest(&rule), ..rule }
    }

    fn examples(&mut self, file: SourceFile, written: &Written, rule: &Rule) {
        if overlay::is_own(file.name) {
            let more = self.own_examples + written.example.len();
            if more > overlay::MAX_EXAMPLES {
                let most = overlay::MAX_EXAMPLES;
                let message = format!("own rules have at most {most} examples together");
                return self.refuse(file, Some(&rule.id), written.id.span().start, message);
            }
            self.own_examples = more;
        }
        if let Some(message) = example::missing(written.example.iter().map(Spanned::get_ref)) {
            self.refuse(file, Some(&rule.id), written.id.span().start, message);
        }
        for spanned in &written.example {
            if let Err(message) = example::run(rule, &self.known, spanned.get_ref()) {
                let message = format!("example `{}` {message}", spanned.get_ref().name);
                self.refuse(file, Some(&rule.id), spanned.span().start, message);
            }
        }
    }
}

/// An expression and what it reads; or a message, the word it is about, and what was meant.
type Checked = Result<(IdedExpr, Reads), (String, Option<String>, Option<String>)>;

/// What a verdict depends on beside facts and day, in one name.
pub(super) fn digest(rule: &Rule) -> Digest {
    let whole = json!({
        "id": rule.id, "controls": rule.controls, "severity": rule.severity,
        "evidence": rule.evidence, "since": rule.since, "params": rule.params,
        "applies": rule.applies, "guards": rule.guards, "expression": rule.expression,
    });
    // Of texts, ints, bools and lists of them: there is nothing in it that has no canonical form.
    Digest::of(&canonical::to_vec(&whole).unwrap_or_else(|_| whole.to_string().into_bytes()))
}

struct Parts {
    applies: Option<Expression>,
    guard: Option<Expression>,
    verdict: Expression,
    reads: Reads,
}

/// An expression that is not there is no fault; one that was refused is.
fn absent_or<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
}

fn sorted(kinds: &[Spanned<String>]) -> Vec<String> {
    let kinds: BTreeSet<_> = kinds.iter().map(|kind| kind.get_ref().clone()).collect();
    kinds.into_iter().collect()
}

/// Whether a file declares a kind, by its name: `own_NAME.toml`.
fn declares(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with(PREFIX))
}

fn is_kebab_case(id: &str) -> bool {
    let word = |word: &str| {
        let mut letters = word.chars();
        !word.is_empty() && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    id.starts_with(|c: char| c.is_ascii_lowercase()) && id.split('-').all(word)
}

#[cfg(test)]
mod tests;
