// A file of its own: the page's policy allows no script inside it.
SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: async (request) => {
    if (new URL(request.url, location.href).pathname.startsWith("/users/api/")) {
      request.headers["x-csrftoken"] ??= await csrfToken();
    }
    return request;
  },
});

async function csrfToken() {
  const held = () => /(?:^|; )(?:__Host-)?csrftoken=([^;]*)/.exec(document.cookie)?.[1];
  if (!held()) await fetch("/users/signup/");  // a page sets the cookie
  return held();
}
