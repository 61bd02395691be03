// A file of its own: the page's policy allows no script inside it.
SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: async (request) => {
    if (request.method === "POST" && new URL(request.url, location.href).pathname.startsWith("/users/api/")) {
      const answer = await fetch("/users/api/csrf/");
      request.headers["x-csrftoken"] ??= (await answer.json()).csrf_token;
    }
    return request;
  },
});
