"use strict";
// Shows the OpenAPI document. Addresses are relative, so that the page works below any path prefix.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // the validator is a service of another host
});
