"""`dlspec compile`: a network or a train as a file of another format, by the file's ending."""

from __future__ import annotations

from argparse import Namespace

from dlspec.commands.arguments import Parser, takes_form, takes_network, takes_weights
from dlspec.commands.common import OK
from dlspec.commands.formats import write


def declare(parser: Parser) -> None:
    takes_network(parser, trains=True)
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the file; its ending is the format")
    takes_weights(parser)
    takes_form(parser)


def run(arguments: Namespace) -> int:
    write("compile", arguments)
    return OK
