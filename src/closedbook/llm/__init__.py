"""Questions to a language model through LiteLLM: each asked once, its answer in the ledger before it is used."""

from closedbook.llm.answers import Invalid as Invalid
from closedbook.llm.answers import from_json as from_json
from closedbook.llm.client import NO_CALLS as NO_CALLS
from closedbook.llm.client import Client as Client
from closedbook.llm.client import NotAnswered as NotAnswered
from closedbook.llm.gathering import gather as gather
from closedbook.llm.gathering import side_by_side as side_by_side
from closedbook.llm.library import check_key as check_key
from closedbook.llm.requests import Call as Call
from closedbook.llm.requests import asked as asked
from closedbook.llm.segments import in_segments as in_segments
