"""Tokens that say by their own shape what they are: those of AWS, of other services, keys in files, and password hashes.

Each has words that must be in a text before its shape is looked for, so that a text without them costs next to nothing.
Every repetition has a limit: a shape is looked for in time that grows with the text, not with its square.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A shape of secret. The group `secret` of `pattern` is what is removed; `accept` has the last word on a match.

    `needs` are words of which one must be in the text, in lower case if `folded`; none means that it is always tried.
    """

    kind: str
    pattern: str
    flags: int = 0
    needs: tuple[str, ...] = ()
    folded: bool = False
    accept: Callable[[re.Match[str]], bool] = bool

    @cached_property
    def shape(self) -> re.Pattern[str]:
        """The pattern compiled, at its first use: most runs need few of them, and all take a fifth of a second."""
        return re.compile(self.pattern, self.flags)


def entropy(text: str) -> float:
    """Return how many bits a sign of this text tells: about 4.6 for random base64 of 40 signs, below 4.1 for paths."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) if text else 0.0


def _looks_random(found: re.Match[str]) -> bool:
    """Tell a bare AWS secret access key (40 signs of base64) from a hash, a path or a long word."""
    text = found["secret"]
    mixed = re.search(r"[a-z]", text) and re.search(r"[A-Z]", text) and re.search(r"\d", text)
    return bool(mixed) and entropy(text) > 4.2


def _token(kind: str, shape: str, *needs: str) -> Shape:
    """Return the shape of a token that stands alone: no letter or digit directly before it."""
    return Shape(kind=kind, pattern=rf"(?<![A-Za-z0-9])(?P<secret>{shape})", needs=needs)


_KEY_BLOCK = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

SHAPES = (
    Shape(
        kind="private key",
        pattern=rf"(?P<secret>{_KEY_BLOCK}(?:(?!-----).){{0,32768}}(?:-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----)?)", flags=re.DOTALL,
        needs=("PRIVATE KEY",),
    ),
    _token("private key", r"PuTTY-User-Key-File-\d: (?:.|\n){0,8192}?Private-MAC: [0-9a-f]{8,}", "PuTTY-User-Key-File"),
    _token("private key", r"AGE-SECRET-KEY-1[A-Z0-9]{50,70}", "AGE-SECRET-KEY-"),
    _token("JWT", r"eyJ[\w-]{8,4096}\.[\w-]{8,8192}\.[\w-]{0,2048}", "eyJ"),
    _token("AWS session token", r"(?:FwoG|IQoJ|FQoG|AQoD)[A-Za-z0-9/+=%_-]{90,4096}", "FwoG", "IQoJ", "FQoG", "AQoD"),
    _token("AWS access key", r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])", "AKIA", "ASIA", "ABIA", "ACCA"),
    Shape(
        kind="AWS secret key",
        pattern=r"(?<![A-Za-z0-9/+=])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        accept=_looks_random,
    ),
    _token("AWS key of Bedrock", r"(?:ABSK[A-Za-z0-9+/]{100,260}={0,2}|bedrock-api-key-[\w+/=-]{20,600})", "ABSK", "bedrock-api-key-"),
    Shape(
        kind="AWS signature",
        pattern=r"X-Amz-(?:Signature|Security-Token|Credential)=(?P<secret>[^&\s\"'<>]{1,4096})",
        needs=("X-Amz-",),
    ),
    Shape(
        kind="AWS signature",
        pattern=r"AWS4-HMAC-SHA256 [^\n]{0,300}?Signature=(?P<secret>[0-9a-f]{64})",
        needs=("AWS4-HMAC-SHA256",),
    ),
    # code hosts and packages
    _token("GitHub token", r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    _token("GitLab token", r"(?:gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[\w.-]{20,300}|GR1348941[\w-]{20,50})", "gl", "GR1348941"),
    _token("Bitbucket token", r"ATBB[A-Za-z0-9]{24,}|ATCTT3xFfG[\w=-]{60,400}", "ATBB", "ATCTT3"),
    _token("npm token", r"npm_[A-Za-z0-9]{30,64}", "npm_"),
    _token("PyPI token", r"pypi-AgEI[\w-]{50,1024}", "pypi-AgEI"),
    _token("RubyGems token", r"rubygems_[0-9a-f]{48}", "rubygems_"),
    _token("Clojars token", r"CLOJARS_[A-Za-z0-9]{60}", "CLOJARS_"),
    _token("Docker token", r"dckr_(?:pat|oat)_[\w-]{20,64}", "dckr_"),
    _token("JFrog key", r"AKCp[A-Za-z0-9]{60,80}|cmVmd[A-Za-z0-9]{50,70}", "AKCp", "cmVmd"),
    # chat and mail
    _token("Slack token", r"xox[abeprsoc](?:\.xox[abp])?-[\w-]{10,300}|xapp-\d-[\w-]{20,300}", "xox", "xapp-"),
    Shape(
        kind="webhook address",
        pattern=r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[\w/]{8,300})",
        needs=("hooks.slack",),
    ),
    Shape(
        kind="webhook address",
        pattern=r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?P<secret>\d{10,25}/[\w-]{30,100})",
        needs=("/webhooks/",),
    ),
    Shape(
        kind="webhook address",
        pattern=r"\.webhook\.office\.com/(?:webhookb2/)?(?P<secret>[\w@/-]{30,400})",
        needs=(".webhook.office.com",),
    ),
    Shape(
        kind="webhook address",
        pattern=r"(?:hooks\.zapier\.com/hooks/catch|chat\.googleapis\.com/v1/spaces|maker\.ifttt\.com/trigger)/(?P<secret>[^\s\"'<>]{8,300})",
        needs=("hooks.zapier.com", "chat.googleapis.com", "maker.ifttt.com"),
    ),
    _token("Discord token", r"[MNO][A-Za-z\d]{22,27}\.[\w-]{6}\.[\w-]{27,40}", "."),
    _token("Telegram token", r"\d{8,10}:AA[\w-]{33}(?![\w-])", ":AA"),
    _token("SendGrid key", r"SG\.[\w-]{16,32}\.[\w-]{32,64}", "SG."),
    _token("Mailgun key", r"(?:key|pubkey)-[0-9a-f]{32}(?![0-9a-f])", "key-"),
    _token("Mailchimp key", r"[0-9a-f]{32}-us\d{1,2}(?!\d)", "-us"),
    _token("Brevo key", r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}", "sib-"),
    _token("Twilio key", r"SK[0-9a-f]{32}(?![0-9a-f])", "SK"),
    # clouds and tools
    _token("Google key", r"AIza[\w-]{35}(?![\w-])|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,400}|1//0[\w-]{40,120}", "AIza", "GOCSPX-", "ya29.", "1//0"),
    _token("Azure secret", r"[\w~.]{3}\dQ~[\w~.-]{31,34}", "Q~"),
    Shape(kind="Azure signature", pattern=r"[?&;]sig=(?P<secret>[\w%+/=-]{20,200})", needs=("sig=",)),
    _token("DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}", "_v1_"),
    _token("Heroku key", r"HRKU-[\w-]{30,80}", "HRKU-"),
    _token("Fly token", r"FlyV1 [\w+/=,-]{40,2000}|fo1_[\w-]{43}", "FlyV1", "fo1_"),
    _token("Cloudflare key", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}", "v1.0-"),
    _token("Vault token", r"hv[sbr]\.[\w-]{20,300}|(?<![\w.])s\.[A-Za-z0-9]{24}(?![\w.])", "hvs.", "hvb.", "hvr.", "s."),
    _token("Terraform token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,80}", ".atlasv1."),
    _token("Pulumi token", r"pul-[0-9a-f]{40}", "pul-"),
    _token("Doppler token", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{2,35}\.)?[A-Za-z0-9]{40,44}", "dp."),
    _token("Grafana token", r"gl(?:sa|c)_[\w+/=]{32,400}|eyJrIjoi[A-Za-z0-9=]{40,400}", "glsa_", "glc_", "eyJrIjoi"),
    _token("New Relic key", r"NR(?:AK|JS|II|RA|AL)-[\w-]{20,60}", "NRAK-", "NRJS-", "NRII-", "NRRA-", "NRAL-"),
    _token("Dynatrace token", r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}", "dt0"),
    _token("Sentry token", r"sntry[su]_[\w+/=.-]{40,400}", "sntrys_", "sntryu_"),
    _token("Databricks token", r"dapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    _token("PlanetScale secret", r"pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64}", "pscale_"),
    _token("Aiven token", r"AVNS_[\w-]{16,40}", "AVNS_"),
    _token("Supabase key", r"sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,60}", "sbp_", "sb_secret_"),
    _token("ClickHouse key", r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])", "4b1d"),
    _token("MongoDB key", r"mdb_sa_sk_[\w-]{40}", "mdb_sa_sk_"),
    _token("Snyk token", r"snyk_(?:uat|sat)\.[\w.-]{20,200}", "snyk_"),
    _token("Sonar token", r"sq[upa]_[0-9a-f]{40}", "squ_", "sqp_", "sqa_"),
    _token("Postman key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", "PMAK-"),
    _token("Okta token", r"00[\w-]{39}[\w](?![\w-])(?<=[A-Za-z])", "00"),
    _token("1Password token", r"ops_eyJ[\w+/=-]{80,2000}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{5,11}-){3,4}[A-Z0-9]{5}", "ops_eyJ", "A3-"),
    # money, models, offices
    _token("Stripe key", r"(?:sk|rk|ak)_(?:live|test|prod)_[A-Za-z0-9]{10,250}|whsec_[\w+/=]{20,100}", "_live_", "_test_", "_prod_", "whsec_"),
    _token("Square token", r"sq0[a-z]{3}-[\w-]{22,43}|EAAA[\w-]{60}", "sq0", "EAAA"),
    _token("PayPal token", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}", "access_token$"),
    _token("Shopify token", r"shp(?:at|ca|pa|ss|ka|tka)_[0-9A-Za-z]{32}", "shp"),
    _token("Facebook token", r"EAA[A-Z][A-Za-z0-9]{100,400}", "EAA"),
    _token("Twitter token", r"AAAAAAAAAAAAAAAAAAAAA[\w%]{60,200}", "AAAAAAAAAAAAAAAAAAAAA"),
    _token("Duffel or EasyPost key", r"duffel_(?:live|test)_[\w=-]{43}|EZ[AT]K[A-Za-z0-9]{54}", "duffel_", "EZAK", "EZTK"),
    _token("OpenAI key", r"sk-(?:proj-|svcacct-|admin-|None-)?[\w-]{0,120}T3BlbkFJ[\w-]{20,120}|sk-(?:proj|svcacct|admin)-[\w-]{40,200}|sk-[A-Za-z0-9]{48}", "sk-"),
    _token("Anthropic key", r"sk-ant-[\w-]{20,200}", "sk-ant-"),
    _token("Hugging Face token", r"(?:hf|api_org)_[A-Za-z]{30,64}", "hf_", "api_org_"),
    _token("Replicate, Groq or Perplexity key", r"r8_[\w-]{37}|gsk_[A-Za-z0-9]{52}|pplx-[A-Za-z0-9]{48}", "r8_", "gsk_", "pplx-"),
    _token("Atlassian token", r"ATATT3[\w=-]{60,300}", "ATATT3"),
    _token("Linear, Notion, Airtable or Figma token", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}|ntn_[A-Za-z0-9]{40,50}|secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|fig[dou]_?[\w-]{40}", "lin_", "ntn_", "secret_", "pat", "fig"),
    _token("Typeform, Readme or Prefect key", r"tfp_[\w.=-]{59}|rdme_[a-z0-9]{70}|pnu_[A-Za-z0-9]{36}", "tfp_", "rdme_", "pnu_"),
    _token("LaunchDarkly key", r"(?:sdk|api|mob)-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "sdk-", "api-", "mob-"),
    _token("xAI, NVIDIA, Tavily or Jina key", r"xai-[A-Za-z0-9]{60,100}|nvapi-[\w-]{60,72}|tvly-(?:dev-|prod-)?[A-Za-z0-9]{24,40}|jina_[\w-]{50,72}", "xai-", "nvapi-", "tvly-", "jina_"),
    _token("Tailscale key", r"tskey-[a-z]{2,12}-[\w-]{16,80}", "tskey-"),
    _token("token of a build service", r"bk[a-z]a_[0-9a-f]{40}|CCI(?:PAT|PRJ)_[A-Za-z0-9]{18,26}_[0-9a-f]{40}|rnd_[A-Za-z0-9]{28,40}|rpa_[A-Z0-9]{38,50}", "bk", "CCIPAT_", "CCIPRJ_", "rnd_", "rpa_"),
    _token("Shippo, Infracost, Frame.io or Neon key", r"shippo_(?:live|test)_[0-9a-f]{40}|ico-[A-Za-z0-9]{32}|fio-u-[\w=-]{64}|napi_[a-z0-9]{60,70}", "shippo_", "ico-", "fio-u-", "napi_"),
    _token("Asana token", r"[012]/\d{15,17}(?:/\d{15,17})?:[0-9a-f]{32}", "/"),
    _token("secret token (RFC 8959)", r"secret-token:[\w%.~!$&'()*+,;=:@-]{8,400}", "secret-token:"),
    _token("PagerDuty key", r"u\+[\w-]{18}(?![\w-])", "u+"),
    # password hashes: as good as the password for many
    Shape(kind="password hash", pattern=r"(?P<secret>(?<![\w*])\*[0-9A-F]{40})(?![0-9A-Za-z])", needs=("*",)),
    Shape(
        kind="password hash",
        pattern=r"(?P<secret>\$(?:2[abxy]\$\d\d|[156y]|A\$00[0-9]|argon2(?:id|i|d)\$v=\d+)\$[^\s'\"]{20,200})",
        needs=("$",),
    ),
)  # fmt: skip


def needed(shape: Shape, text: str, folded: str) -> bool:
    """Tell whether a text can hold the shape at all; `folded` is the text in lower case."""
    return not shape.needs or any(word in (folded if shape.folded else text) for word in shape.needs)
