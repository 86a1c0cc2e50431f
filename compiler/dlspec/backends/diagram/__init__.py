"""Pictures of networks: graph and summary -> scene -> layout -> SVG, PNG, PDF, DOT, Mermaid or an HTML page.

`scene` says what is drawn, `layout` where, and each format's module how it is written. Only `layout` knows Graphviz.
"""
