"""The page at /docs: Swagger UI from its CDN, held to a digest, under a policy of its own."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from string import Template

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

_CDN = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0"
_START = 'SwaggerUIBundle({url: document.body.dataset.document, dom_id: "#ui", deepLinking: true})'
_PAGE = Template(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_CDN}/swagger-ui.css" crossorigin="anonymous"
 integrity="sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I">
</head>
<body data-document="$document">
<div id="ui"></div>
<script src="{_CDN}/swagger-ui-bundle.js" crossorigin="anonymous"
 integrity="sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"></script>
<script>{_START}</script>
</body>
</html>
""")
_DIGEST = b64encode(sha256(_START.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"connect-src 'self'; img-src data:; script-src {_CDN}/ 'sha256-{_DIGEST}'; "
    f"style-src {_CDN}/ 'unsafe-inline'"
)


def docs_page(title: str, document: str) -> APIRouter:
    """Return the route of the page.

    Args:
        title: of the page.
        document: path of the OpenAPI document, below the app's root path.
    """
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        url = request.scope.get("root_path", "") + document
        page = _PAGE.substitute(title=escape(title), document=escape(url))
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    return router
