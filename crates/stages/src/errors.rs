//! What the errors of the crates behind the stages mean to a program: one list, see [`Host::known`].

use std::{collections::BTreeMap, error::Error, io};

use randlab_align::AlignError;
use randlab_data::DataError;
use randlab_moments::MomentsError;
use randlab_nn::NnError;
use randlab_pipeline::{BAD_INPUT, ENVIRONMENT, FAILED, Host, Known};
use randlab_recipe::RecipeError;
use randlab_report::ReportError;
use randlab_store::StoreError;
use randlab_train::TrainError;
use serde_json::json;

/// What all programs share.
pub const HOST: Host = Host {
    known,
    facts: || {
        BTreeMap::from([("instructions".to_owned(), json!(randlab_kernels::instruction_set()))])
    },
};

/// An error whose message names a file.
const fn file(code: u8) -> Known {
    Known { code, names_file: true }
}

/// An error that says what of a net or an analysis does not fit, but not where.
const NAMELESS: Known = Known { code: BAD_INPUT, names_file: false };

/// An error of a crate is known when it has a line here; until then, as with new kinds of known errors, the run failed.
fn known(error: &(dyn Error + 'static)) -> Option<Known> {
    let store = error.downcast_ref().map(of_store);
    let data = || error.downcast_ref().map(of_data);
    let train = || error.downcast_ref().map(of_train);
    let report = || error.downcast_ref().map(of_report);
    let net = || error.downcast_ref().map(of_net);
    let nameless = || (error.is::<AlignError>() || error.is::<MomentsError>()).then_some(NAMELESS);
    let input = || error.is::<RecipeError>().then_some(file(BAD_INPUT));
    let io = || error.downcast_ref().map(of_io);
    let stages = store.or_else(data).or_else(net).or_else(train).or_else(report);
    stages.or_else(nameless).or_else(input).or_else(io)
}

fn of_store(error: &StoreError) -> Known {
    file(if error.is_environment() { ENVIRONMENT } else { BAD_INPUT })
}

fn of_data(error: &DataError) -> Known {
    match error {
        DataError::Store(error) => of_store(error),
        DataError::Labels(_) | DataError::Moments(_) => NAMELESS,
        DataError::Content { .. } | DataError::Read { .. } => file(BAD_INPUT),
        _ => file(FAILED),
    }
}

fn of_net(error: &NnError) -> Known {
    match error {
        NnError::Store(error) => of_store(error),
        NnError::Checkpoint { .. } => file(BAD_INPUT),
        NnError::Model(_) | NnError::Parameter { .. } | NnError::Loss(_) | NnError::Tensor(_) => {
            NAMELESS
        }
        _ => file(FAILED),
    }
}

fn of_train(error: &TrainError) -> Known {
    match error {
        TrainError::Store(error) => of_store(error),
        TrainError::Data(error) => of_data(error),
        TrainError::Net(error) => of_net(error),
        TrainError::Moments(_) | TrainError::Tensor(_) => NAMELESS,
        TrainError::Config { .. } | TrainError::Checkpoint { .. } => file(BAD_INPUT),
        // Not finite, or a kind that is not listed yet.
        _ => file(FAILED),
    }
}

fn of_report(error: &ReportError) -> Known {
    match error {
        ReportError::Store(error) => of_store(error),
        ReportError::Content { .. } | ReportError::Picture { .. } => file(BAD_INPUT),
        _ => file(FAILED),
    }
}

fn of_io(error: &io::Error) -> Known {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            file(BAD_INPUT)
        }
        _ => file(ENVIRONMENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_map_to_the_documented_codes() {
        let io = |kind: io::ErrorKind| StoreError::Io {
            path: "x".into(),
            action: "write",
            source: io::Error::from(kind),
        };
        let locked = || StoreError::Locked { path: "x".into() };
        let nan = TrainError::NotFinite { tensor: "loss".into(), value: f64::NAN, step: 3 };
        for (error, expected) in [
            (anyhow::Error::from(io(io::ErrorKind::StorageFull)), ENVIRONMENT),
            (io(io::ErrorKind::NotFound).into(), BAD_INPUT),
            (DataError::from(locked()).into(), ENVIRONMENT),
            (TrainError::from(DataError::from(locked())).into(), ENVIRONMENT),
            (NnError::from(locked()).into(), ENVIRONMENT),
            (TrainError::from(NnError::from(locked())).into(), ENVIRONMENT),
            (NnError::Model("none".into()).into(), BAD_INPUT),
            (ReportError::from(locked()).into(), ENVIRONMENT),
            (TrainError::from(io(io::ErrorKind::PermissionDenied)).into(), ENVIRONMENT),
            (nan.into(), FAILED),
            (randlab_pipeline::refused!("--scale: what").context("more"), BAD_INPUT),
        ] {
            assert_eq!(HOST.code(&error), expected, "{error}");
        }
    }
}
