"""Reading what an endpoint gave as the answer that was asked for."""

from __future__ import annotations

from agent_market.errors import AnswerInvalid
from agent_market.llm.answers.schemas import Form, Said, parse
from agent_market.llm.endpoints.completion import Completion


def read(form: Form, completion: Completion) -> Said:
    """The answer in a completion.

    :raises AnswerInvalid: there is none.  An answer that was cut off, or given to a cut prompt, is none even
        if a part of it parses: what stands there is a draft, or about half of the question.
    """
    if completion.problem is not None:
        raise AnswerInvalid(completion.problem)
    if not completion.cut_off:
        return parse(form, completion.text)
    try:
        parse(form, completion.text)
    except AnswerInvalid as error:
        raise AnswerInvalid(f"cut off at `llm.max_tokens`: {error}") from error
    raise AnswerInvalid(
        f"cut off at `llm.max_tokens`, so what it holds may be a draft: {completion.text[-120:]!r}; raise "
        "`llm.max_tokens`, or switch thinking off (`llm.reasoning_effort`, `llm.extra_body`)"
    )
