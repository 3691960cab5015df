//! One walk through a spec, from its first line to its last, as rpm would take it: which section each line is
//! in, which lines a conditional leaves out, what each tag comes to.

use std::ops::Range;

use super::definition;
use super::directive::{self, Directive, MachineTest, SectionKind, TagKind};
use super::lines::{self, Line, Unit};
use super::macros::{self, Answer, Expanded, Macros};

/// How many tables of macros are kept; a spec that has more Version and Release lines is refused anyway.
const KEPT_TABLES: usize = 8;

/// How deep conditionals may nest.
const DEEPEST: usize = 200;

/// Whether rpm would read a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// Yes.
    Active,
    /// No: a conditional around it is false.
    Inactive,
    /// It depends on what is not known here.
    Undecided {
        /// The line of the `%if` (counted from 0).
        line: usize,
    },
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The line, counted from 0.
    pub line: usize,
    /// Whether rpm would read it.
    pub activity: Activity,
    /// The conditionals around it, outermost first: which one, and which of its branches.
    pub branches: Vec<(usize, usize)>,
}

/// An `%if` … `%endif`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// The line of the `%if`.
    pub first: usize,
    /// The line of the `%endif`; the last line where there is none.
    pub last: usize,
    /// How many branches it has.
    pub branches: usize,
    /// Whether one of them is `%else`, so that one is always taken.
    pub has_else: bool,
    /// Whether the expression of one of them is not known.
    pub is_open: bool,
}

impl Walk {
    /// Counts what is not known: values of tags, and conditionals.
    pub fn unknowns(&self) -> usize {
        let tags = self.tags.iter().filter(|tag| tag.expanded.with_dist().is_err()).count();
        tags + self.conditions.iter().filter(|condition| condition.is_open).count()
    }
}

/// A section, from its header to the next one.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub kind: SectionKind,
    /// Where its header stands; for the preamble, its first line.
    pub place: Place,
    /// The line after its last one.
    pub end: usize,
}

/// A tag with its value.
#[derive(Debug, Clone)]
pub(super) struct Tag {
    pub kind: TagKind,
    /// The number of a source or patch, given or counted.
    pub number: u32,
    pub place: Place,
    /// The section it stands in.
    pub section: SectionKind,
    /// Where the value stands in the file; `None` where the tag comes out of a macro.
    pub value: Option<Range<usize>>,
    /// What the value comes to.
    pub expanded: Expanded,
}

/// A line `%global NAME BODY` or `%define NAME BODY`, active or commented out.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub name: String,
    pub place: Place,
    /// Where the body stands in the file.
    pub body: Range<usize>,
    /// Where the text before the word `global` or `define` stands: `%`, or `#`, `# %`, `%dnl %`.
    pub lead: Range<usize>,
    /// rpm does not follow it.
    pub commented: bool,
}

/// A line of `%prep` that unpacks or patches.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The macro's name, such as `autosetup` or `patch3`.
    pub name: String,
    pub place: Place,
    /// Where its arguments stand in the file.
    pub arguments: Range<usize>,
}

/// Something that rpm would fail on, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub line: usize,
    pub what: &'static str,
}

/// What the walk saw.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    pub lines: Vec<Line>,
    pub conditions: Vec<Condition>,
    pub sections: Vec<Section>,
    pub tags: Vec<Tag>,
    pub definitions: Vec<Definition>,
    pub steps: Vec<Step>,
    /// Lines of `%include` that may be read.
    pub includes: Vec<usize>,
    pub flaws: Vec<Flaw>,
    /// The macros at the end of the file.
    pub macros: Macros,
    /// The macros at the lines where the main package's Version and Release were read.
    pub at_tag: Vec<(usize, Macros)>,
}

/// Walks through the file.
pub(super) fn walk(bytes: &[u8], macros: Macros) -> Walk {
    let lines = lines::split(bytes);
    let preamble = Place { line: 0, activity: Activity::Active, branches: Vec::new() };
    let mut walker = Walker {
        bytes,
        stack: Vec::new(),
        counts: [(TagKind::Source, None), (TagKind::Patch, None)],
        is_broken: false,
        continued_to: 0,
        walk: Walk {
            conditions: Vec::new(),
            sections: vec![Section {
                kind: SectionKind::Preamble,
                place: preamble,
                end: lines.len(),
            }],
            tags: Vec::new(),
            definitions: Vec::new(),
            steps: Vec::new(),
            includes: Vec::new(),
            flaws: Vec::new(),
            macros,
            at_tag: Vec::new(),
            lines,
        },
    };
    walker.run();
    walker.walk
}

/// What a branch of a conditional does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
    Unknown,
}

/// A conditional that is open.
struct Open {
    condition: usize,
    taken: Taken,
    /// An earlier branch was taken, or may have been.
    earlier: Taken,
}

struct Walker<'b> {
    bytes: &'b [u8],
    stack: Vec<Open>,
    /// The highest number of sources and patches.
    counts: [(TagKind, Option<u32>); 2],
    /// A macro was never closed: what follows is read line by line, and nothing is edited.
    is_broken: bool,
    /// The line after the last continued one.
    continued_to: usize,
    walk: Walk,
}

impl Walker<'_> {
    fn run(&mut self) {
        if let Some(at) = self.bytes.iter().position(|b| *b == 0) {
            let line = self.walk.lines.partition_point(|line| line.next <= at);
            self.flaw(line, "has a NUL byte");
        }
        let mut line = 0;
        while line < self.walk.lines.len() {
            line = self.read(line);
        }
        for open in std::mem::take(&mut self.stack) {
            let first = self.walk.conditions[open.condition].first;
            self.flaw(first, "opens a conditional that has no %endif");
        }
    }

    fn flaw(&mut self, line: usize, what: &'static str) {
        self.walk.flaws.push(Flaw { line, what });
    }

    /// Returns the text of lines `first` to `end`, without the last one's line end.
    fn text(&self, first: usize, end: usize) -> String {
        let range = self.walk.lines[first].start..self.walk.lines[end - 1].end;
        macros::readable(&self.bytes[range])
    }

    fn activity(&self) -> Activity {
        if self.stack.iter().any(|open| open.taken == Taken::No) {
            return Activity::Inactive;
        }
        match self.stack.iter().find(|open| open.taken == Taken::Unknown) {
            Some(open) => Activity::Undecided { line: self.walk.conditions[open.condition].first },
            None => Activity::Active,
        }
    }

    fn place(&self, line: usize) -> Place {
        let branch =
            |open: &Open| (open.condition, self.walk.conditions[open.condition].branches - 1);
        let branches = self.stack.iter().map(branch).collect();
        Place { line, activity: self.activity(), branches }
    }

    fn section(&self) -> SectionKind {
        self.walk.sections.last().map_or(SectionKind::Preamble, |section| section.kind)
    }

    /// Reads the unit that begins at a line and returns the line after it.
    fn read(&mut self, line: usize) -> usize {
        let range = self.walk.lines[line].text();
        if !self.bytes[range].contains(&b'%') {
            self.content(line, line + 1);
            return line + 1;
        }
        if self.is_broken {
            return self.one(line, line + 1);
        }
        match self.unit(line) {
            Unit::Unclosed => {
                self.is_broken = true;
                self.flaw(line, "opens a macro that is never closed");
                self.one(line, line + 1)
            }
            Unit::Macro { end } => self.one(line, end),
            Unit::Continued { end } if self.takes_continuation(line) => self.one(line, end),
            _ => self.one(line, line + 1),
        }
    }

    /// Returns the unit that begins at a line. Lines inside a continued one are continued to the same end, so
    /// they are not counted again.
    fn unit(&mut self, line: usize) -> Unit {
        if line + 1 < self.continued_to {
            return Unit::Continued { end: self.continued_to };
        }
        let unit = lines::unit(self.bytes, &self.walk.lines, line);
        if let Unit::Continued { end } = unit {
            self.continued_to = end;
        }
        unit
    }

    /// Tells whether a backslash joins the next line to this one for good: in definitions and conditions.
    fn takes_continuation(&self, line: usize) -> bool {
        let text = self.text(line, line + 1);
        let text = text.trim_start();
        let defines = text.starts_with("%global") || text.starts_with("%define");
        let asks =
            matches!(directive::directive(text), Some(Directive::If(_) | Directive::ElseIf(_)));
        asks || (defines && self.activity() != Activity::Inactive)
    }

    fn one(&mut self, line: usize, end: usize) -> usize {
        let text = self.text(line, end);
        match directive::directive(&text) {
            Some(directive) => self.directive(directive, line),
            None => self.no_directive(&text, line, end),
        }
        end
    }

    fn no_directive(&mut self, text: &str, line: usize, end: usize) {
        let kind = directive::section(text);
        match kind {
            Some(kind) if self.activity() != Activity::Inactive => self.begin_section(kind, line),
            _ => self.content(line, end),
        }
    }

    fn begin_section(&mut self, kind: SectionKind, line: usize) {
        let place = self.place(line);
        if let Some(last) = self.walk.sections.last_mut() {
            last.end = line;
        }
        let end = self.walk.lines.len();
        self.walk.sections.push(Section { kind, place, end });
    }

    fn directive(&mut self, directive: Directive<'_>, line: usize) {
        match directive {
            Directive::If(expression) => {
                let taken = self.evaluate(expression);
                self.open(line, taken);
            }
            Directive::IfMachine(test) => self.open(line, machine(test)),
            Directive::ElseIf(expression) => {
                let taken = self.evaluate_later(expression);
                self.next_branch(line, taken, false);
            }
            Directive::ElseIfMachine(test) => self.next_branch(line, machine(test), false),
            Directive::Else => self.next_branch(line, Taken::Yes, true),
            Directive::EndIf => self.close(line),
            Directive::Include => self.include(line),
        }
    }

    fn include(&mut self, line: usize) {
        if self.activity() != Activity::Inactive {
            self.walk.includes.push(line);
            self.walk.macros.may_be_foreign();
        }
    }

    fn evaluate(&mut self, expression: &str) -> Taken {
        match self.activity() {
            Activity::Inactive => Taken::No,
            _ => match self
                .walk
                .macros
                .condition(&expression.replace("\\\r\n", " ").replace("\\\n", " "))
            {
                Answer::Yes => Taken::Yes,
                Answer::No => Taken::No,
                Answer::Unknown => Taken::Unknown,
            },
        }
    }

    /// Evaluates an `%elif`, which stands outside the branch before it.
    fn evaluate_later(&mut self, expression: &str) -> Taken {
        let Some(open) = self.stack.pop() else {
            return Taken::No;
        };
        let taken = self.evaluate(expression);
        self.stack.push(open);
        taken
    }

    fn open(&mut self, line: usize, taken: Taken) {
        if self.stack.len() >= DEEPEST {
            return self.flaw(line, "nests conditionals too deep");
        }
        let condition = self.walk.conditions.len();
        let last = self.walk.lines.len() - 1;
        self.walk.conditions.push(Condition {
            first: line,
            last,
            branches: 1,
            has_else: false,
            is_open: taken == Taken::Unknown,
        });
        self.stack.push(Open { condition, taken, earlier: Taken::No });
    }

    /// Begins the next branch: it is read only where none before it was.
    fn next_branch(&mut self, line: usize, test: Taken, is_else: bool) {
        let Some(open) = self.stack.last_mut() else {
            return self.flaw(line, "has an %else or %elif without an %if");
        };
        open.earlier = match (open.earlier, open.taken) {
            (Taken::Yes, _) | (_, Taken::Yes) => Taken::Yes,
            (Taken::Unknown, _) | (_, Taken::Unknown) => Taken::Unknown,
            _ => Taken::No,
        };
        open.taken = match (open.earlier, test) {
            (Taken::Yes, _) | (_, Taken::No) => Taken::No,
            (Taken::Unknown, _) => Taken::Unknown,
            (Taken::No, test) => test,
        };
        let condition = &mut self.walk.conditions[open.condition];
        condition.branches += 1;
        condition.has_else |= is_else;
        condition.is_open |= open.taken == Taken::Unknown;
    }

    fn close(&mut self, line: usize) {
        match self.stack.pop() {
            Some(open) => self.walk.conditions[open.condition].last = line,
            None => self.flaw(line, "has an %endif without an %if"),
        }
    }

    /// Reads lines that are neither a conditional nor a section header.
    fn content(&mut self, line: usize, end: usize) {
        if self.activity() == Activity::Inactive {
            return self.left_out(line);
        }
        self.walk.macros.doubtful = self.activity() != Activity::Active;
        match self.section() {
            SectionKind::Preamble | SectionKind::Subpackage => self.preamble(line, end),
            SectionKind::PatchList => self.listed(TagKind::Patch, line),
            SectionKind::SourceList => self.listed(TagKind::Source, line),
            SectionKind::Prep => self.prep(line, end),
            SectionKind::Changelog | SectionKind::Other => self.definitions_only(line, end),
        }
        self.walk.macros.doubtful = false;
    }

    /// Records a source or patch that a conditional leaves out: it takes part in nothing.
    fn left_out(&mut self, line: usize) {
        let section = self.section();
        let range = self.walk.lines[line].text();
        let Some(tag) = directive::tag(&self.bytes[range.clone()]) else {
            return;
        };
        let listed = matches!(tag.kind, TagKind::Source | TagKind::Patch);
        if section != SectionKind::Preamble || !listed {
            return;
        }
        let next =
            self.counts.iter().find(|(kind, _)| *kind == tag.kind).and_then(|(_, last)| *last);
        let number = tag.number.unwrap_or_else(|| next.map_or(0, |last| last.saturating_add(1)));
        let start = range.start + tag.at;
        let value = Some(start..start + tag.value.len());
        let expanded = self.read_only(&macros::readable(tag.value));
        let place = self.place(line);
        self.walk.tags.push(Tag { kind: tag.kind, number, place, section, value, expanded });
    }

    /// Expands a text that rpm does not read: nothing in it may define a macro.
    fn read_only(&mut self, text: &str) -> Expanded {
        let defines = ["global", "define", "bcond"].iter().any(|word| text.contains(word));
        self.walk.macros.expand(if defines { "%(not read)" } else { text })
    }

    fn preamble(&mut self, line: usize, end: usize) {
        let range = self.walk.lines[line].text();
        let bytes = self.bytes;
        if let Some(tag) = directive::tag(&bytes[range.clone()]) {
            let start = range.start + tag.at;
            let value = start..start + tag.value.len();
            let text = self.value_text(&value, line, end);
            let expanded = self.walk.macros.expand(&text);
            return self.tag(tag.kind, tag.number, line, Some(value), expanded);
        }
        if self.definition(line, end) {
            return;
        }
        let text = self.text(line, end);
        if text.contains('%') {
            self.computed(&text, line);
        }
    }

    /// Returns a tag's value; one that a macro stretches over several lines is taken whole.
    fn value_text(&self, value: &Range<usize>, line: usize, end: usize) -> String {
        match end - line {
            1 => macros::readable(&self.bytes[value.clone()]),
            _ => macros::readable(&self.bytes[value.start..self.walk.lines[end - 1].end]),
        }
    }

    /// Records tags that come out of a macro, such as `%{!?x:Source5: y}`.
    fn computed(&mut self, text: &str, line: usize) {
        let expanded = self.walk.macros.expand(text);
        let Ok(result) = expanded.with_dist() else {
            return;
        };
        if text.trim_start().starts_with('#') {
            return;
        }
        for made in result.lines() {
            if let Some(tag) = directive::tag(made.as_bytes()) {
                let value =
                    self.walk.macros.expand(&macros::readable(tag.value).replace('%', "%%"));
                self.tag(tag.kind, tag.number, line, None, value);
            }
        }
    }

    fn tag(
        &mut self,
        kind: TagKind,
        number: Option<u32>,
        line: usize,
        value: Option<Range<usize>>,
        expanded: Expanded,
    ) {
        if kind == TagKind::Other {
            return;
        }
        let section = self.section();
        let is_edited = matches!(kind, TagKind::Version | TagKind::Release);
        if section == SectionKind::Preamble && is_edited && self.walk.at_tag.len() < KEPT_TABLES {
            self.walk.at_tag.push((line, self.walk.macros.clone()));
        }
        if let Some(name) = kind.macro_name() {
            self.walk.macros.set_expanded(name, expanded.clone());
        }
        let (number, place) = (self.number(kind, number), self.place(line));
        self.walk.tags.push(Tag { kind, number, place, section, value, expanded });
    }

    /// Returns a source's or patch's number: its own, or one more than the highest so far.
    fn number(&mut self, kind: TagKind, given: Option<u32>) -> u32 {
        let Some((_, last)) = self.counts.iter_mut().find(|(counted, _)| *counted == kind) else {
            return 0;
        };
        let number = given.unwrap_or_else(|| last.map_or(0, |last| last.saturating_add(1)));
        *last = Some(last.map_or(number, |last| last.max(number)));
        number
    }

    /// Reads a line of `%patchlist` or `%sourcelist`.
    fn listed(&mut self, kind: TagKind, line: usize) {
        let range = self.walk.lines[line].text();
        let text = &self.bytes[range.clone()];
        let value = text.trim_ascii();
        if value.is_empty() || value.starts_with(b"#") || self.definition(line, line + 1) {
            return;
        }
        let start = range.start + text.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let expanded = self.walk.macros.expand(&macros::readable(value));
        self.tag(kind, None, line, Some(start..start + value.len()), expanded);
    }

    /// Reads a line of `%prep`: only what unpacks and patches matters.
    fn prep(&mut self, line: usize, end: usize) {
        self.definitions_only(line, end);
        let range = self.walk.lines[line].text();
        let text = &self.bytes[range.clone()];
        let leading = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let Some(name) = directive::step(&text[leading..]) else {
            return;
        };
        let arguments = range.start + leading + 1 + name.len()..self.walk.lines[end - 1].end;
        let place = self.place(line);
        self.walk.steps.push(Step { name, place, arguments });
    }

    fn definitions_only(&mut self, line: usize, end: usize) {
        self.definition(line, end);
    }

    /// Reads a line as a definition; one that is commented out is recorded and not followed.
    fn definition(&mut self, line: usize, end: usize) -> bool {
        let start = self.walk.lines[line].start;
        let text = &self.bytes[start..self.walk.lines[end - 1].end];
        let Some(found) = definition::read(text) else {
            return false;
        };
        let origin = self.walk.definitions.len();
        let place = self.place(line);
        let shift = |range: &Range<usize>| start + range.start..start + range.end;
        let (lead, body) = (shift(&found.lead), shift(&found.body));
        let commented = found.commented;
        let name = found.name.clone();
        self.walk
            .definitions
            .push(Definition { name: name.clone(), place, body, lead, commented });
        if !commented {
            let text = macros::readable(text);
            self.walk.macros.expand(&text);
            self.walk.macros.set_origin(&name, origin);
        }
        true
    }
}

/// Tells what a test of the machine says: the system is Linux, the processor is any.
fn machine(test: MachineTest<'_>) -> Taken {
    let is_linux =
        test.names.split_ascii_whitespace().any(|name| name.eq_ignore_ascii_case("linux"));
    match (test.system, is_linux != test.negated) {
        (false, _) => Taken::Unknown,
        (true, true) => Taken::Yes,
        (true, false) => Taken::No,
    }
}
