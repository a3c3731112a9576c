//! service-name: what it answers. Who may ask, how long it may take and what happens if it fails is the host's business.

use wstd::http::{Body, Error, Request, Response};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    Ok(Response::new(answer(request.uri().path()).into()))
}

fn answer(path: &str) -> String {
    format!("Hello from service-name, at {path}\n")
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn it_says_where_it_was_asked() {
        assert_eq!(answer("/here"), "Hello from service-name, at /here\n");
    }
}
