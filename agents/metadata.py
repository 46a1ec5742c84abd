"""What does an agent tell the cluster about itself?

The meta-data of OCF 1.1, made from the agent's class. It is valid by the DTD
of OCF 1.0, which ocf-tester asks: an internal subset, which comes before the
DTD and therefore wins, allows `reloadable` and an action `reload-agent`.

Pacemaker asks for it before every single start and waits for the answer, so
this module is on the path of every failover and imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vsctl.agents.ocf import Agent, Operation, Param

_FRAME = """\
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd" [
  <!ATTLIST parameter reloadable (0|1) #IMPLIED>
  <!ATTLIST action name NMTOKEN #REQUIRED>
]>
<resource-agent name="{name}" version="{release}">
  <version>{version}</version>
  <longdesc lang="en">
{long}
  </longdesc>
  <shortdesc lang="en">{short}</shortdesc>
  <parameters>
{parameters}
  </parameters>
  <actions>
{actions}
  </actions>
</resource-agent>
"""

_PARAMETER = """\
    <parameter name="{name}" unique="{unique}" required="{required}" reloadable="{reloadable}">
      <longdesc lang="en">{help}</longdesc>
      <shortdesc lang="en">{short}</shortdesc>
      <content type="string"{default}/>
    </parameter>"""

_ORDER = ("start", "stop", "monitor", "reload-agent", "meta-data", "validate-all")

RELEASE = "1.0"
"""The version of the agents' interface, not of vsctl: it changes when parameters do."""


def of(agent: type[Agent]) -> str:
    """Return the meta-data of an agent; its docstring's first line is the short description."""
    short, long = description(agent)
    operations = sorted(agent.operations(), key=lambda each: _place(each.name))
    return _FRAME.format(
        name=_text(agent.type_name()),
        release=RELEASE,
        version=agent.version,
        short=_text(short),
        long=_text(long),
        parameters="\n".join(map(_parameter, agent.params())),
        actions="\n".join(map(_action, operations)),
    )


def description(agent: type[Agent]) -> tuple[str, str]:
    """Return the first line of the docstring, and the paragraphs below it."""
    first, *rest = (agent.__doc__ or "").strip().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return first, "\n".join(line[margin:] for line in rest).strip() or first


def _parameter(param: Param[Any]) -> str:
    return _PARAMETER.format(
        name=_text(param.name),
        unique=int(param.unique),
        required=int(param.default is None),
        reloadable=int(param.reloadable),
        help=_text(param.help),
        short=_text(param.name),
        default="" if param.default is None else f' default="{_text(param.default)}"',
    )


def _action(operation: Operation) -> str:
    interval = "" if operation.interval is None else f' interval="{operation.interval}s"'
    return f'    <action name="{_text(operation.name)}" timeout="{operation.timeout}s"{interval}/>'


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
