from chassis_core import InvalidSettings, ServiceSettings
from chassis_core.concerns.auth import AuthSettings
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

DEVELOPMENT_PEPPER = "0123456789abcdef" * 4


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NOTES_")

    name: str = "notes"
    pepper: SecretStr = SecretStr(DEVELOPMENT_PEPPER)
    auth: AuthSettings = AuthSettings(
        mode="jwks",
        issuer="http://127.0.0.1:1",
        audience="notes",
        jwks_url="http://127.0.0.1:1/.well-known/jwks.json",
    )

    def model_post_init(self, _: object) -> None:
        is_default = self.pepper.get_secret_value() == DEVELOPMENT_PEPPER
        if self.environment == "production" and is_default:
            raise InvalidSettings("production needs a value of its own for NOTES_PEPPER")
