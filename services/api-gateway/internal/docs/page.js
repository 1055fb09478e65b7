"use strict";
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null, // asks nobody else
  tryItOutEnabled: true,
  persistAuthorization: false,
});
