from __future__ import annotations

import pytest

from es_rerank.search.fields.names import FieldName, Role, names_filter, read_name

ROLES = {
    Role.HEADLINE: "title Title headline subject name question productName product_name case_name job-title "
    "attachment.title doc.title title.rendered title_en title.de displayName fields.name "
    "recipe_title",
    Role.SYNOPSIS: "summary abstract teaser short_description opening_text subtitle meta.abstract "
    "short_description.value page.short_description.value",
    Role.BODY: "message body content text description _fulltext full_text plain_text attachment.content comments.body "
    "body.value steps.text descriptionEn bodyHTML error.message content.rendered "
    "attachment.content.value x.text",
    Role.UNKNOWN: "beschreibung source_text user.bio labels.description ingredients.name 标题 x tags "
    "supplier.description event.original colour_name colour.title title.value_count",
    Role.NAME: "host.name agent.name service.name process.name user.name container.name container.image.name "
    "supplier.name store_name author.name first_name journal.title milestone.title seo_title company_name "
    "page.store_name",
    Role.LABEL: "id sku url html_url email requester.email created_at_date docket.id error.code status",
}


@pytest.mark.parametrize(("name", "role"), [(name, role) for role, names in ROLES.items() for name in names.split()])
def test_the_role_of_a_field_by_its_name(name: str, role: Role) -> None:
    assert read_name(name).role is role


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("title_en", "title"),
        ("title.en", "title"),
        ("titleEn", "title"),
        ("title_pt_br", "title"),
        ("title-zh-Hans", "title"),
        ("job.description.german", "job.description"),
        ("title", ""),
        ("en", ""),
        ("pt_br", "pt"),
        ("title_value", ""),
        ("id", ""),
        ("product.id", ""),
        ("..", ""),
        ("", ""),
    ],
)
def test_fields_that_differ_in_their_language_belong_together(name: str, group: str) -> None:
    assert read_name(name).group == group


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("title", "name"),
        ("title", "book.title"),
        ("title", "page_title"),
        ("description", "notes"),
        ("body", "comments.body"),
        ("abstract", "body"),
        ("attachment.content", "page.comments.content"),
    ],
)
def test_names_are_ordered_by_role_depth_and_rank(first: str, second: str) -> None:
    assert read_name(first)[:3] < read_name(second)[:3]


def test_only_the_last_twelve_words_of_a_name_count() -> None:
    assert read_name("author_" + "x_" * 10 + "title").role is Role.NAME
    assert read_name("author_" + "x_" * 11 + "title").role is Role.HEADLINE


def test_roles_in_the_order_in_which_fields_are_read() -> None:
    assert [role.name for role in sorted(Role)] == ["HEADLINE", "SYNOPSIS", "BODY", "UNKNOWN", "NAME", "LABEL"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # There are 77 words of headlines, synopses and bodies. Names of several words come after those of one.
        ("title", (Role.HEADLINE, 0, 0, "")),
        ("caption", (Role.HEADLINE, 0, 6, "")),
        ("summary", (Role.SYNOPSIS, 0, 1, "")),
        ("original", (Role.BODY, 0, 53, "")),
        ("page_title", (Role.HEADLINE, 0, 77, "")),
        ("short_text", (Role.SYNOPSIS, 0, 85, "")),
        ("x", (Role.UNKNOWN, 0, 77, "")),
        ("x_y", (Role.UNKNOWN, 0, 154, "")),
        ("title_x", (Role.UNKNOWN, 0, 154, "")),
        ("x_y.title", (Role.UNKNOWN, 1, 0, "")),
        ("a.b.title", (Role.UNKNOWN, 2, 0, "")),
        ("page.title", (Role.HEADLINE, 0, 0, "")),
        ("page_x.title", (Role.UNKNOWN, 1, 0, "")),
        ("page.a.body.title_en", (Role.UNKNOWN, 1, 0, "page.a.body.title")),
        ("..", (Role.UNKNOWN, 0, 77, "")),
        ("", (Role.UNKNOWN, 0, 77, "")),
    ],
)
def test_all_information_in_a_name(name: str, expected: tuple[Role, int, int, str]) -> None:
    assert read_name(name) == FieldName(*expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            ("status", True),
            ("post_type", True),
            ("postStatus", True),
            ("meta.status", True),
            ("status.post-type", True),
        ),
        *(("status_text", False), ("status.text", False), ("type_of_hose", False), ("type.a.b", False)),
        *(("title", False), ("", False), ("..", False), ("status.", False)),
    ],
)
def test_fields_whose_values_select_documents(name: str, expected: bool) -> None:
    assert names_filter(name) is expected
