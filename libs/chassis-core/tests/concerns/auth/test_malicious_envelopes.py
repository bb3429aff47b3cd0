"""Tokens whose envelope lies: each is refused in every mode, over HTTP, without a fetch."""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from chassis_core.testing.issuer import Issuer, encoded
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
STRANGERS_KEY = generate_private_key(SECP256R1())

Forge = Callable[[Issuer], str | bytes]


def parts(issuer: Issuer) -> list[str]:
    return issuer.token().split(".")


def with_header(**members: Any) -> Forge:
    return lambda issuer: issuer.token(header=members)


def raw_header(template: str) -> Forge:
    def forge(issuer: Issuer) -> str:
        header = template.replace("ALG", issuer.algorithm).replace("KID", issuer.kid)
        return issuer.sign(header.encode(), issuer.claims())

    return forge


def raw_payload(payload: bytes) -> Forge:
    return lambda issuer: issuer.sign(issuer.header(), payload)


def unsigned(algorithm: Any, signature: str = "") -> Forge:
    def forge(issuer: Issuer) -> str:
        header = json.dumps(issuer.header() | {"alg": algorithm}).encode()
        payload = json.dumps(issuer.claims()).encode()
        return f"{encoded(header)}.{encoded(payload)}.{signature}"

    return forge


def hmac_signed(algorithm: str, key: bytes | Callable[[Issuer], bytes], **header: Any) -> Forge:
    def forge(issuer: Issuer) -> str:
        secret = key(issuer) if callable(key) else key
        members = issuer.header() | {"alg": algorithm} | header
        return issuer.sign(members, issuer.claims(), algorithm=algorithm, key=secret)

    return forge


def self_signed(**header: Any) -> Forge:
    def forge(issuer: Issuer) -> str:
        members = issuer.header() | {"alg": "ES256"} | header
        return issuer.sign(members, issuer.claims(), algorithm="ES256", key=STRANGERS_KEY)

    return forge


def pointing(member: str, *, forged: bool) -> Forge:
    """Point to a listener that counts who comes: another path of the issuer's own server."""

    def forge(issuer: Issuer) -> str:
        header = {member: issuer.url.replace("/.well-known/jwks.json", "/evil")}
        return self_signed(**header)(issuer) if forged else issuer.token(header=header)

    return forge


def pem(issuer: Issuer) -> bytes:
    asymmetric = Issuer("ES256") if issuer.algorithm == "HS256" else issuer
    return asymmetric.public_key().encode()


def flip_signature_bit(issuer: Issuer) -> str:
    header, payload, signature = parts(issuer)
    first = "B" if signature[0] == "A" else "A"
    return f"{header}.{payload}.{first}{signature[1:]}"


def swap_payload(issuer: Issuer) -> str:
    header, _, signature = parts(issuer)
    return f"{header}.{encoded(json.dumps(issuer.claims('root')).encode())}.{signature}"


def trailing_bits(issuer: Issuer) -> str:
    token = issuer.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def detached(issuer: Issuer) -> str:
    header, _, signature = issuer.token(header={"b64": False, "crit": ["b64"]}).split(".")
    return f"{header}..{signature}"


def fixed_signature(r: int, s: int) -> Forge:
    raw = encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return lambda issuer: ".".join([*parts(issuer)[:2], raw])


def std_alphabet(issuer: Issuer) -> str:
    while True:
        token = issuer.token(jti="??>>~~")
        if "_" in token or "-" in token:
            return token.replace("-", "+").replace("_", "/")


JWK = {"kty": "EC", "crv": "P-256", "kid": "key-1"}
NESTED = b'{"a":' * 3000 + b"1" + b"}" * 3000

CASES: dict[str, Forge] = {
    **{f"1 alg {alg!r}": unsigned(alg) for alg in ("none", "None", "NONE", "nOnE", "none ", "")},
    **{
        f"1 alg {alg!r}": with_header(alg=alg) for alg in ("HS256 ", "ES256 ", "HS256\0", "ES256\0")
    },
    "1 none with a signature": unsigned("none", "AAAA"),
    "2 alg missing": with_header(alg=...),
    **{f"2 alg {alg!r}": with_header(alg=alg) for alg in (None, 256, ["RS256"], ["ES256"], True)},
    "3 signature stripped": lambda issuer: ".".join(parts(issuer)[:2]) + ".",
    "3 two segments": lambda issuer: ".".join(parts(issuer)[:2]),
    "3 four segments": lambda issuer: issuer.token() + ".AAAA",
    "3 five segments": lambda issuer: issuer.token() + ".AAAA.AAAA",
    "3 one segment": lambda issuer: parts(issuer)[0],
    "3 only dots": lambda _: "..",
    "4 signature bit flipped": flip_signature_bit,
    "4 payload swapped": swap_payload,
    **{
        f"5 {alg} keyed by the public key, {shape}": hmac_signed(alg, key)
        for alg in ("HS256", "HS384", "HS512")
        for shape, key in {
            "PEM": pem,
            "PEM without newline": lambda issuer: pem(issuer).strip(),
            "DER": lambda issuer: b64decode(b"".join(pem(issuer).splitlines()[1:-1])),
            "PEM CRLF": lambda issuer: pem(issuer).replace(b"\n", b"\r\n"),
        }.items()
    },
    **{f"6 key {key!r}": hmac_signed("HS256", key) for key in (b"", b"secret", b"\0")},
    "7 embedded jwk": self_signed(jwk=JWK),
    "8 jku": pointing("jku", forged=True),
    "8 jku, signed well": pointing("jku", forged=False),
    "9 x5u": pointing("x5u", forged=True),
    "9 x5u, signed well": pointing("x5u", forged=False),
    "10 x5c": self_signed(x5c=["MIIB"]),
    **{
        f"11 kid {kid[:24]!r}": hmac_signed("HS256", b"", kid=kid)
        for kid in (
            "../../../../dev/null",
            "/dev/null",
            "x' UNION SELECT 'key",
            "$(id)",
            "https://evil.test/keys",
            "key-1\0",
            "k" * 6000,
            "",
            "\ud800",
            "key-1\r\nX-Evil: 1",
        )
    },
    **{f"11 kid {kid!r}, signed well": with_header(kid=kid) for kid in ("../key-1", "", "key 1")},
    **{f"12 kid {kid!r}": with_header(kid=kid) for kid in (1, None, ["key-1"], {"a": 1}, True)},
    **{f"13 crit {crit!r}": with_header(crit=crit) for crit in (["x"], [], "exp", ["exp"], None)},
    "14 b64 false": with_header(b64=False, crit=["b64"]),
    "14 b64 false, not critical": with_header(b64=False),
    "14 b64 false, detached": detached,
    "23 payload array": raw_payload(b"[]"),
    "23 payload string": raw_payload(b'"sub"'),
    "23 payload not JSON": raw_payload(b"{sub:1}"),
    "23 payload invalid UTF-8": raw_payload(b'{"sub":"\xff"}'),
    "23 payload empty": raw_payload(b""),
    "24 header array": raw_header('["alg","ALG"]'),
    "24 header with byte order mark": raw_header('\ufeff{"alg":"ALG","typ":"at+jwt","kid":"KID"}'),
    "25 payload nested deep": raw_payload(NESTED),
    "25 payload of brackets": raw_payload(b"[" * 6000),
    **{f"26 typ {typ!r}": with_header(typ=typ) for typ in ("JWE", "", None, 1, ["at+jwt"], ...)},
    "26 cty": with_header(cty="JWT"),
    "26 zip": with_header(zip="DEF"),
    "26 enc": with_header(enc="A128GCM"),
    "27 standard alphabet": std_alphabet,
    "27 padding": lambda issuer: ".".join(f"{part}==" for part in parts(issuer)),
    "27 newline inside": lambda issuer: issuer.token().replace(".", ".\n", 1),
    "27 space inside": lambda issuer: issuer.token().replace(".", ". ", 1),
    "27 trailing dot": lambda issuer: issuer.token() + ".",
    "28 trailing bits": trailing_bits,
    "29 30 KB": lambda issuer: issuer.token(filler="x" * 22_000),
    "29 200 KB": lambda issuer: issuer.token(filler="x" * 150_000),
    "30 r = s = 0": fixed_signature(0, 0),
    "30 r = s = n": fixed_signature(ORDER_OF_P256, ORDER_OF_P256),
    "32 alg lower case": lambda issuer: issuer.token(header={"alg": issuer.algorithm.lower()}),
    "33 latin-1": lambda issuer: issuer.token().encode() + b"\xe9",
    "36 comma-joined": lambda issuer: f"{issuer.token()},{issuer.token()}",
    "36 named": lambda issuer: f'token="{issuer.token()}"',
    "36 tab": lambda issuer: issuer.token() + "\t.",
    "38 alg twice": raw_header('{"alg":"none","alg":"ALG","typ":"at+jwt","kid":"KID"}'),
    "41 of another kind": hmac_signed("HS256", b"secret" * 6, kid="shared"),
    "43 ID token": lambda issuer: issuer.token(header={"typ": "JWT"}, nonce="n"),
}


@pytest.mark.parametrize("forge", CASES.values(), ids=CASES)
async def test_a_token_with_a_lying_envelope_is_refused(world: Any, forge: Forge) -> None:
    before = world.issuer.fetches
    answer = await world.get(forge(world.issuer))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["detail"] == "The bearer token is not valid."
    assert world.issuer.fetches == before
    assert world.issuer.server.strays == 0


async def test_the_same_token_unforged_is_accepted(world: Any) -> None:
    for typ in ("at+jwt", "AT+JWT", "application/at+jwt"):
        assert (await world.get(world.issuer.token(header={"typ": typ}))).status_code == 200


@pytest.mark.parametrize(
    "pinned, used", [("RS256", "PS256"), ("PS256", "RS256"), ("HS256", "HS512"), ("HS256", "HS384")]
)
async def test_the_right_key_with_another_algorithm_is_refused(
    open_world: Any, pinned: str, used: str
) -> None:
    issuer = Issuer(pinned)
    forged = issuer.sign(issuer.header() | {"alg": used}, issuer.claims(), algorithm=used)
    relabelled = issuer.sign(issuer.header(), issuer.claims(), algorithm=used)
    async with open_world(issuer, issuer.settings()) as world:
        assert (await world.get(issuer.token())).status_code == 200
        assert (await world.get(forged)).status_code == 401
        assert (await world.get(relabelled)).status_code == 401


@pytest.mark.parametrize("algorithm", ["ES384", "RS256", "PS256", "EdDSA", "HS512"])
async def test_every_family_verifies_its_own(open_world: Any, algorithm: str) -> None:
    issuer = Issuer(algorithm)
    async with issuer.serve():
        for mode in ("hmac",) if algorithm == "HS512" else ("public_key", "jwks"):
            async with open_world(issuer, issuer.settings(mode)) as world:
                assert (await world.get(issuer.token())).status_code == 200
                assert (await world.get(Issuer(algorithm).token() + "A")).status_code == 401


@pytest.mark.parametrize(
    "accepted, typ, status",
    [
        (("at+jwt",), "at+jwt", 200),
        (("at+jwt",), "JWT", 401),
        (("JWT",), "JWT", 200),
        (("JWT",), "at+jwt", 401),
        (("at+jwt", "JWT"), "JWT", 200),
        (("at+jwt", "JWT"), "secevent+jwt", 401),
    ],
)
async def test_only_the_types_that_the_settings_name_are_accepted(
    open_world: Any, accepted: tuple[str, ...], typ: str, status: int
) -> None:
    issuer = Issuer()
    async with open_world(issuer, issuer.settings(token_types=accepted)) as world:
        assert (await world.get(issuer.token(header={"typ": typ}))).status_code == status


async def test_41_an_allowed_algorithm_that_is_not_the_keys_own_is_refused(open_world: Any) -> None:
    async with Issuer("RS256").serve() as issuer:
        forged = issuer.sign(issuer.header() | {"alg": "RS512"}, issuer.claims(), algorithm="RS512")
        settings = issuer.settings(algorithms=("RS256", "RS512"))
        async with open_world(issuer, settings) as world:
            assert (await world.get(issuer.token())).status_code == 200
            assert (await world.get(forged)).status_code == 401
