"""Settings: the environment, then .env, then the defaults."""

import pytest

from ingest import UserError
from ingest.settings import load_settings


@pytest.fixture
def dotenv(tmp_path):
    path = tmp_path / ".env"
    path.write_text(
        "# mine\nCHAT_MODEL=from-file\nOPENAI_BASE_URL='http://127.0.0.1:9/v1'\nCHAT_MODELS=a, b\n", "utf-8"
    )
    return path


def test_what_the_file_says_holds(dotenv):
    settings = load_settings({}, dotenv)
    assert (settings.chat_model, settings.openai_base_url) == ("from-file", "http://127.0.0.1:9/v1")
    assert tuple(settings.chat_models) == ("a", "b")


def test_the_environment_goes_first_and_an_empty_variable_is_unset(dotenv):
    settings = load_settings({"CHAT_MODEL": "from-environment", "OPENAI_BASE_URL": ""}, dotenv)
    assert (settings.chat_model, settings.openai_base_url) == ("from-environment", None)


def test_the_space_at_the_end_of_a_prefix_is_a_part_of_it(tmp_path):
    path = tmp_path / ".env"
    path.write_text('EMBEDDING_QUERY_PREFIX="query: "\nCHAT_MODEL=" m "\n', "utf-8")
    settings = load_settings({"EMBEDDING_PASSAGE_PREFIX": "passage: "}, path)
    assert (settings.embedding_query_prefix, settings.embedding_passage_prefix) == ("query: ", "passage: ")
    assert settings.chat_model == "m"


def test_without_a_file_the_defaults_hold(tmp_path):
    settings = load_settings({}, tmp_path / "none")
    assert settings.chat_model is None and settings.openai_base_url is None


def test_an_address_that_is_none_is_named(dotenv):
    with pytest.raises(UserError, match="OPENAI_BASE_URL"):
        load_settings({"OPENAI_BASE_URL": "127.0.0.1:9"}, dotenv)
