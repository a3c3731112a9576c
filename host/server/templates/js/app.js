// service-name: what it answers. Who may ask, how long it may take and what happens if it fails is the host's business.
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

function answer(request) {
  const { pathname } = new URL(request.url);
  return new Response(`Hello from service-name, at ${pathname}\n`);
}
