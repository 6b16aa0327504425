"""The words in field names that show the kind of content of a field. Tuples are in the order of preference."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


HEADLINE_WORDS = ("title", "headline", "subject", "name", "question", "heading", "caption")
SYNOPSIS_WORDS = (
    "subtitle",
    "summary",
    "abstract",
    "teaser",
    "lead",
    "lede",
    "standfirst",
    "excerpt",
    "synopsis",
    "syllabus",
    "tagline",
    "intro",
    "introduction",
    "overview",
    "opening",
    "snippet",
)
BODY_WORDS = (
    "description",
    "descriptions",
    "desc",
    "message",
    "msg",
    "body",
    "content",
    "contents",
    "text",
    "texts",
    "fulltext",
    "article",
    "paragraph",
    "paragraphs",
    "sections",
    "passage",
    "chunk",
    "chunks",
    "document",
    "opinion",
    "answer",
    "answers",
    "instructions",
    "directions",
    "steps",
    "method",
    "ingredients",
    "requirements",
    "responsibilities",
    "details",
    "detail",
    "notes",
    "note",
    "remarks",
    "review",
    "reviews",
    "comment",
    "comments",
    "reply",
    "replies",
    "conversation",
    "transcript",
    "story",
    "plot",
    "biography",
    "bio",
    "readme",
    "code",
    "plaintext",
    "markdown",
    "html",
    "stacktrace",
    "trace",
    "original",
)
# The last word of fields that contain codes, addresses, identifiers, types or states rather than text.
LABEL_WORDS = _words(
    """
    id ids uid uids uuid guid oid pid ref key keys url urls uri link links href permalink src path paths file files
    filename filepath folder dir directory slug handle sku ean upc gtin isbn issn doi asin vin barcode serial hash
    checksum digest md5 sha sha1 sha256 etag token email emails mail phone telephone tel mobile fax zip zipcode postcode
    postal lang language languages locale type types kind class status state states level severity priority stage phase
    visibility host hostname ip mac domain port user username login owner assignee reporter currency unit units color
    colour size sizes mime mimetype encoding format extension ext version timestamp date datetime time created updated
    modified published year image images img photo photos thumbnail avatar icon logo picture video blob binary base64
    data bytes country region timezone tenant site environment env cluster node pod namespace queue topic partition code
    flag flags checksum signature command cmd executable args agent browser platform os architecture arch license
    """
)
# The last word of fields that applications match to select documents, whatever the type of the field.
FILTER_WORDS = _words(
    """
    id ids uuid guid status state type types kind lang language locale visibility published active enabled deleted
    archived priority severity tenant site env environment currency role roles permission permissions acl mime mimetype
    """
)
# Things that belong to a document: their name or title is not that of the document.
ENTITY_WORDS = _words(
    """
    agent host hosts service process user users author authors owner creator editor assignee reporter requester
    submitter sender recipient customer client contact person member account container pod node cluster namespace
    deployment server machine device os kernel file folder directory image repository repo branch supplier suppliers
    vendor vendors manufacturer brand brands maker store stores shop seller merchant warehouse publisher source site
    organization organisation org company employer team group department category categories genre tag tags label labels
    type status country city region state language locale rule module dataset observer network geo as tls code first
    last middle family given sur nick maiden login court judge judges attorney attorneys party journal venue conference
    affiliation affiliations institution school university milestone field column table index schema event logger
    thread method class function package parent menu template layout meta seo og twitter image images photo video audio
    currency payment shipping tax
    """
)
# Kinds of documents: `product_name` is the name of the document itself.
DOCUMENT_WORDS = _words(
    """
    product products item article document doc page post posting entry record recipe job position vacancy role project
    case issue ticket task book movie film song track album paper publication course lesson story news question thing
    place business venue listing property display full long short main primary canonical work content object node
    """
)
# Objects that only hold the fields of the document.
WRAPPER_WORDS = _words(
    """
    doc docs document documents data attributes attrs attr fields props properties payload source record item node page
    post article product entity object body content contents meta metadata main details info hit result attachment
    attachments product issue ticket recipe paper job case story log work
    """
)
# Leaf names that only hold the text of their object: `title.rendered`, `body.value`.
VALUE_WORDS = frozenset({"value", "values", "rendered", "raw", "plain", "processed", "text", "html", "markdown", "und"})
LANGUAGES = _words(
    """
    ar bg bn ca cs cz da de el en es et eu fa fi fr ga gl he hi hr hu hy it ja jp ko kr lt lv ms nb nl nn pl pt ro ru
    sk sl sr sv ta te th tr uk ur vi zh cn tw br gb us hans hant ara deu ger eng spa fra fre ita jpn kor nld dut pol por
    rus swe tur ukr zho chi arabic bulgarian catalan chinese czech danish dutch english finnish french german greek
    hebrew hindi hungarian indonesian italian japanese korean norwegian persian polish portuguese romanian russian
    spanish swedish thai turkish ukrainian vietnamese
    """
)
