// hello-js: what it answers. Who may ask, how long it may take and what happens if it fails is the host's business.

export async function answer(path) {
  return `Hello from JavaScript, at ${path}\n`;
}
