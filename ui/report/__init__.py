"""The HTML report: figures of a `Report`, and the page, fragment and Markdown that show them."""
