"""What a page consists of, for tests that read it."""

import html.parser


class Page(html.parser.HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words = [], []
        self.shown = True
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.shown = tag not in ("style", "script")

    def handle_endtag(self, tag):
        self.shown = True

    def handle_data(self, data):
        if self.shown:
            self.words.append(data)

    def all(self, tag, **wanted):
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(attributes.get(key) == wanted[key] for key in wanted)
        ]

    @property
    def ids(self):
        return {attributes["id"] for _, attributes in self.elements if "id" in attributes}

    @property
    def sample_labels(self):
        """Labels of the pictures drawn during a run."""
        return [one["data-label"] for one in self.all("img") if "data-label" in one]
