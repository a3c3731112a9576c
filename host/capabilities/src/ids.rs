//! Ids: numbers without a gap, for each service and each name of it.

use crate::kept;
use holdfast_call::{Admitted, Answer, BoxFuture, Failure, Implementation, Payload, Value, Values};
use holdfast_store::db::Database;
use holdfast_store::kv::Key;
use holdfast_store::sequences::{self, SEQUENCES_MAX, Taken};

/// The operation that takes the next number of a sequence.
pub const SEQUENCE: &str = "sequence";

/// The operations that change something: a number that was taken is taken.
pub const CHANGES: &[&str] = &[SEQUENCE];

/// The stage of all that is refused here.
const STAGE: &str = "ids";

/// The sequences of whichever service asks, as a target of calls.
#[derive(Clone)]
pub struct Sequences(pub Database);

impl Implementation for Sequences {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let this = self.clone();
        Box::pin(async move {
            let (call, _scope) = admitted.into_parts();
            let service = kept::service(&call)?;
            let given = this.run(service, call.payload).await?;
            Ok(Answer::Values(Values::new(vec![given])))
        })
    }
}

impl Sequences {
    async fn run(&self, service: String, payload: Payload) -> Result<Value, Failure> {
        let Payload::Values(operation, values) = payload else {
            return Err(kept::no_operation());
        };
        let (SEQUENCE, [Value::Text(name)]) = (&*operation, values.as_slice()) else {
            return Err(kept::no_operation());
        };
        let name = Key::parse(name.clone()).map_err(|why| {
            let why = format!("the name of a sequence is like a key: {why}");
            kept::passed(kept::invalid(STAGE, why))
        })?;
        let taken = sequences::next(&self.0, service, name).await;
        match taken.map_err(|error| kept::passed(kept::away(STAGE, &error)))? {
            Taken::Number(number) => Ok(Value::U64(number)),
            Taken::TooMany => {
                let many = kept::too_many(STAGE, "sequences of the service", &SEQUENCES_MAX);
                Err(kept::passed(many))
            }
        }
    }
}

#[cfg(test)]
mod tests;
