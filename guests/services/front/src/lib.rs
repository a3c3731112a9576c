//! A service that calls another one: `/front/count?n=3` is `http://notes.internal/count?n=3`, in the process and through the pipeline.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
    Scheme,
};
use wasip2::io::streams::StreamError;

wasip2::http::proxy::export!(Front);

struct Front;

impl Guest for Front {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = OutgoingRequest::new(Fields::new());
        asked.set_scheme(Some(&Scheme::Http)).unwrap();
        asked.set_authority(Some("notes.internal")).unwrap();
        asked
            .set_path_with_query(request.path_with_query().as_deref())
            .unwrap();
        let pending = match outgoing_handler::handle(asked, None) {
            Ok(pending) => pending,
            Err(error) => return ResponseOutparam::set(out, Err(error)),
        };
        pending.subscribe().block();
        let answer = match pending.get().unwrap().unwrap() {
            Ok(answer) => answer,
            Err(error) => return ResponseOutparam::set(out, Err(error)),
        };

        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(answer.status()).unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        let incoming = answer.consume().unwrap();
        let notes = incoming.stream().unwrap();
        loop {
            match stream.blocking_splice(&notes, 64 * 1024) {
                Ok(_) => {}
                Err(StreamError::Closed) => break,
                // What was cut on its way in is not finished on its way out.
                Err(StreamError::LastOperationFailed(_)) => return,
            }
        }
        stream.blocking_flush().unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}
