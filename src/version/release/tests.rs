use super::super::oracle::{Label, label_compare};
use super::super::table::rows;
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn evr(text: &str) -> Evr {
    text.parse().expect("a legal EVR")
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| *text != "-")
}

fn newer_branch(text: &str) -> NewerBranch {
    let follows_same_source = text.starts_with('=');
    NewerBranch { evr: evr(text.trim_start_matches('=')), follows_same_source }
}

/// Answers one row of the table: the EVR and the spec's form, or the code and a dash.
fn answer(row: &[&str]) -> (String, String) {
    let tip_with_dist = given(row[4]).map(evr);
    let floor = given(row[3]).map(|published| Floor { evr: evr(published), tip_with_dist });
    let newer: Vec<_> = given(row[6]).into_iter().flat_map(|list| list.split(',')).collect();
    let newer: Vec<_> = newer.into_iter().map(newer_branch).collect();
    let question = ReleaseQuestion {
        version: &row[0].parse().expect("a legal version"),
        epoch: given(row[1]).map(|epoch| epoch.parse().expect("a number")),
        spec_epoch: row[2].parse().expect("a number"),
        floor: floor.as_ref(),
        commits_since_tag: row[5].parse().expect("a number"),
        newer_branches: &newer,
        dist: given(row[7]),
    };
    match next(&question) {
        Ok(plan) => (plan.evr.to_string(), plan.form.in_spec()),
        Err(refusal) => (refusal.code.0.to_owned(), "-".to_owned()),
    }
}

#[test]
fn the_next_release_is_as_the_table_says() {
    let mut faults = Vec::new();
    for row in rows(include_str!("../../../fixtures/versions/releases.tsv"), 10) {
        let (evr, form) = answer(&row);
        if (evr.as_str(), form.as_str()) != (row[8], row[9]) {
            faults.push(format!("{row:?}: got {evr} {form}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn passing_a_newer_branch_is_told_where_it_cannot_be_avoided() {
    let floor = Floor { evr: evr("0:1.2-2.1"), tip_with_dist: Some(evr("0:1.2-2.1.fc43")) };
    let version = "1.2".parse().expect("a legal version");
    let question = ReleaseQuestion {
        version: &version,
        epoch: None,
        spec_epoch: 0,
        floor: Some(&floor),
        commits_since_tag: 2,
        newer_branches: &[newer_branch("0:1.2-2")],
        dist: Some(".fc43"),
    };
    let plan = next(&question).expect("the plain number is above the floor");
    assert!(
        plan.warnings[0].contains("passes that of a newer branch"),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn the_floor_is_the_highest_evr_and_not_the_last() {
    let published = ["0:1.10-1", "0:1.9-30", "0:2.0~rc1-1", "0:1.10-1.1"].map(evr);
    assert_eq!(floor(published), Some(evr("0:2.0~rc1-1")));
    assert_eq!(floor(["0:9-9", "1:1-1"].map(evr)), Some(evr("1:1-1")));
    assert_eq!(floor([]), None);
}

#[test]
fn the_same_commit_has_the_same_number_on_branches_with_other_pasts() {
    let version = "1.3".parse().expect("a legal version");
    let pasts = ["0:1.2-40", "0:1.2-1", "0:1.0-3.1"]
        .map(|text| Floor { evr: evr(text), tip_with_dist: None });
    for floor in pasts.iter().map(Some).chain([None]) {
        let question = ReleaseQuestion {
            version: &version,
            epoch: None,
            spec_epoch: 0,
            floor,
            commits_since_tag: 11,
            newer_branches: &[],
            dist: Some(".fc44"),
        };
        assert_eq!(next(&question).map(|plan| plan.evr), Ok(evr("0:1.3-12")));
    }
}

fn release_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,4}",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        "0\\.[0-9]{1,2}\\.(rc|beta|git)[0-9]",
        "[0-9]{1,2}\\.fc4[0-9](\\.[0-9])?",
        "[0-9a-c._+~^]{1,6}",
        "[0-9]{1,2}[._+~^a-z][0-9a-z]{1,3}",
    ]
    .prop_filter("is legal for rpm", |text| text.parse::<Release>().is_ok())
}

fn version_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}",
        "[0-9]\\.[0-9](~rc[0-9]|\\^git[0-9]|[a-c]|rc1|_1|\\+x|\\.)",
        "[0-9a-c._+~^]{1,6}",
    ]
    .prop_filter("is legal for rpm", |text| text.parse::<Version>().is_ok())
}

/// A random question in owned form.
#[derive(Debug, Clone)]
struct World {
    version: String,
    floor_version: String,
    release: String,
    dist_at_end: bool,
    commits: u64,
    newer: Option<(String, bool)>,
}

fn world() -> impl Strategy<Value = World> {
    let versions = (version_text(), version_text(), any::<bool>());
    let newer = proptest::option::of((release_text(), any::<bool>()));
    (versions, release_text(), any::<bool>(), 0..30_u64, newer).prop_map(
        |((version, other, same), release, dist_at_end, commits, newer)| World {
            floor_version: if same { version.clone() } else { other },
            version,
            release,
            dist_at_end,
            commits,
            newer,
        },
    )
}

impl World {
    /// Returns the release at the tip as a spec would give it with this dist tag.
    fn release_with_dist(&self, dist: &str) -> String {
        match self.release.split_once('.') {
            Some((number, rest)) if !self.dist_at_end => format!("{number}{dist}.{rest}"),
            _ => format!("{}{dist}", self.release),
        }
    }

    /// Returns what was published and what is planned, without dist and with it.
    fn plan(&self) -> Option<[(Evr, Evr); 2]> {
        let published = evr(&format!("0:{}-{}", self.floor_version, self.release));
        let with_dist = format!("0:{}-{}", self.floor_version, self.release_with_dist(".fc44"));
        let with_dist = with_dist.parse::<Evr>().ok()?;
        let floor = Floor { evr: published.clone(), tip_with_dist: Some(with_dist.clone()) };
        let version = self.version.parse().expect("a legal version");
        let newer = self.newer.iter().map(|(release, follows_same_source)| NewerBranch {
            evr: evr(&format!("0:{}-{release}", self.version)),
            follows_same_source: *follows_same_source,
        });
        let question = ReleaseQuestion {
            version: &version,
            epoch: None,
            spec_epoch: 0,
            floor: Some(&floor),
            commits_since_tag: self.commits,
            newer_branches: &newer.collect::<Vec<_>>(),
            dist: Some(".fc44"),
        };
        let plan = match next(&question) {
            Ok(plan) => plan,
            Err(refusal) => {
                assert_eq!(refusal.code.0, "version-went-back", "{self:?}: {refusal}");
                return None;
            }
        };
        let new_with_dist = evr(&format!("0:{version}-{}", plan.form.around(".fc44")));
        Some([(plan.evr, published), (new_with_dist, with_dist)])
    }
}

fn label(evr: &Evr) -> Label {
    (evr.epoch, evr.version.to_string(), evr.release.to_string())
}

#[test]
fn what_is_planned_is_above_what_was_published_in_rpms_own_eyes() {
    let mut runner = TestRunner::deterministic();
    let worlds = world();
    let draw = |_| worlds.new_tree(&mut runner).expect("a world").current();
    let planned: Vec<_> = (0..1500).map(draw).filter_map(|world| world.plan()).flatten().collect();
    assert!(planned.len() > 1000, "{} pairs", planned.len());
    let pairs: Vec<_> = planned.iter().map(|(new, old)| (label(new), label(old))).collect();
    for ((new, old), answer) in planned.iter().zip(label_compare(&pairs)) {
        assert_eq!(answer, Ordering::Greater, "{new} against {old}");
    }
}

#[test]
fn comparison_agrees_with_rpm_on_every_pair_of_odd_versions() {
    let odd = [
        "0",
        "1",
        "01",
        "1.0",
        "1.00",
        "1.0.0",
        "1_0",
        "1+0",
        "1.0.",
        "1.0~",
        "1.0^",
        "1.0~~",
        "1.0^^",
        "1.0~rc1",
        "1.0~RC1",
        "1.0~rc.1",
        "1.0~~dev1",
        "1.0rc1",
        "1.0.rc1",
        "1.0^git1",
        "1.0^git1~rc1",
        "1.0~rc1^git1",
        "1.0a",
        "1.0b",
        "1.0z",
        "1.0zh",
        "1.0.1",
        "1.0.1a",
        "1.0+x",
        "1.0+1",
        "1.0.dev1",
        "1.0.post1",
        "2024.01",
        "2024.1",
        "20240131",
        "1.1",
        "1.9",
        "1.10",
        "a",
        "A",
        "b",
        "aa",
        "a1",
        "1a",
        "10",
        "9.fc44",
        "9.fc9",
        "9.el9",
        "2.fc44.1",
        "2.1.fc44",
        "2.fc45",
        "~1",
        "^1",
        ".1",
        "5_2",
        "99999999999999999999",
        "099999999999999999999",
    ];
    let pairs = odd.iter().flat_map(|left| odd.iter().map(move |right| (*left, *right)));
    let pairs: Vec<_> = pairs.collect();
    let labels: Vec<_> = pairs
        .iter()
        .flat_map(|(left, right)| {
            let label = |v: &str, r: &str| (0, v.to_owned(), r.to_owned());
            [(label(left, "1"), label(right, "1")), (label("1", left), label("1", right))]
        })
        .collect();
    let answers = label_compare(&labels);
    for ((left, right), answer) in pairs.iter().zip(answers.chunks(2)) {
        let version = |text: &str| text.parse::<Version>().expect("a legal version");
        let release = |text: &str| text.parse::<Release>().expect("a legal release");
        let ours = version(left).rpm_cmp(&version(right));
        assert_eq!(ours, answer[0], "versions {left} and {right}");
        assert_eq!(
            release(left).rpm_cmp(&release(right)),
            answer[1],
            "releases {left} and {right}"
        );
    }
}

#[test]
fn evrs_compare_as_rpm_compares_packages() {
    let mut runner = TestRunner::deterministic();
    let part = (0..3_u32, version_text(), release_text());
    let mut draw = || {
        let (epoch, version, release) = part.new_tree(&mut runner).expect("parts").current();
        evr(&format!("{epoch}:{version}-{release}"))
    };
    let pairs: Vec<_> = (0..600).map(|_| (draw(), draw())).collect();
    let labels: Vec<_> = pairs.iter().map(|(left, right)| (label(left), label(right))).collect();
    for ((left, right), answer) in pairs.iter().zip(label_compare(&labels)) {
        assert_eq!(left.rpm_cmp(right), answer, "{left} and {right}");
    }
}
