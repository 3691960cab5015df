//! Dates as git's `$Format` placeholders write them, in the zone that the commit names.

use std::fmt::Write;

use bstr::ByteSlice;

use crate::git::Identity;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A way to write a date that needs no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateForm {
    /// `Thu Apr 7 15:13:13 2005 -0700`
    Default,
    /// `Thu, 7 Apr 2005 15:13:13 -0700`
    Rfc2822,
    /// `2005-04-07 15:13:13 -0700`
    Iso,
    /// `2005-04-07T15:13:13-07:00`
    StrictIso,
    /// `2005-04-07`
    Short,
}

/// A moment taken apart by the calendar.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: &'static str,
    time: String,
}

/// Writes when `identity` acted.
pub(super) fn show(identity: &Identity, form: DateForm) -> String {
    let offset: i64 = identity.offset.to_str().ok().and_then(|t| t.parse().ok()).unwrap_or(0);
    let minutes = offset / 100 * 60 + offset % 100;
    let c = civil(identity.seconds.saturating_add(minutes * 60));
    let month = MONTHS[c.month - 1];
    let day = format!("{:04}-{:02}-{:02}", c.year, c.month, c.day);
    match form {
        DateForm::Default => {
            format!("{} {month} {} {} {} {offset:+05}", c.weekday, c.day, c.time, c.year)
        }
        DateForm::Rfc2822 => {
            format!("{}, {} {month} {} {} {offset:+05}", c.weekday, c.day, c.year, c.time)
        }
        DateForm::Iso => format!("{day} {} {offset:+05}", c.time),
        DateForm::StrictIso => format!("{day}T{}{}", c.time, strict_offset(offset)),
        DateForm::Short => day,
    }
}

fn strict_offset(offset: i64) -> String {
    let mut shown = String::new();
    match offset {
        0 => shown.push('Z'),
        _ => {
            let sign = if offset < 0 { '-' } else { '+' };
            let size = offset.abs();
            write!(shown, "{sign}{:02}:{:02}", size / 100, size % 100).expect("a String grows");
        }
    }
    shown
}

/// Takes seconds since 1970 apart, in the proleptic Gregorian calendar: years are counted from March, so
/// that a leap day is the last of its year.
fn civil(seconds: i64) -> Civil {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: usize::try_from(month).expect("a month is 1 to 12"),
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        weekday: DAYS[usize::try_from(days.rem_euclid(7)).expect("a weekday is 0 to 6")],
        time: format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60),
    }
}
