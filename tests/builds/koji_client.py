"""What Koji's own client library makes of the fake hub: the argument is its address.

Every answer is compared here, so that a fake which only our own client understands fails.
"""
import os
import sys
import tempfile

import koji

hub, source, nvr = sys.argv[1:4]
options = {"user": "bot", "password": "secret", "max_retries": 2, "retry_interval": 0, "anon_retry": False}
session = koji.ClientSession(hub, dict(options))


def same(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def fails(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        same(type(error), kind)
    else:
        raise AssertionError(f"no {kind.__name__}")


def step(name):
    """Asks the test to move the builders, and waits until it has."""
    print(name, flush=True)
    same(sys.stdin.readline(), "done\n")


# Before anybody logs in.
same(session.hub_version[:1], (1,))
same(session.getLoggedInUser(), None)
fails(koji.ActionNotAllowed, session.build, source, "f44-candidate")
fails(koji.AuthError, koji.ClientSession(hub, {"user": "bot", "password": "wrong"}).login)
assert session.login()
me = session.getLoggedInUser()
same(me["name"], "bot")

# What is asked before a build.
same(session.getBuildTarget("nonsense"), None)
same(session.getBuildTarget("f44-candidate")["dest_tag_name"], "f44-updates-candidate")
same(session.getTag("f44-updates-candidate")["locked"], False)
same(session.getPackageConfig("f44-updates-candidate", "hello")["blocked"], False)
same(session.getPackageConfig("f44-updates-candidate", "other"), None)
same(session.getBuild(nvr), None)
fails(koji.GenericError, session.nonsense)

# A build, found again by what was written into it.
metadata = {"lockkeeper": {"run": "abc-1"}}
task = session.build(source, "f44-candidate", {"custom_user_metadata": metadata})
found = session.listTasks(
    {"method": "build", "owner": me["id"], "createdAfter": 1.0, "decode": True}, {"order": "-id", "limit": 10})
same([(each["id"], each["request"]) for each in found],
     [(task, [source, "f44-candidate", {"custom_user_metadata": metadata}])])
same(koji.TASK_STATES[session.getTaskInfo(task)["state"]], "FREE")
fails(koji.GenericError, session.getTaskResult, task)
step("start")
same(koji.TASK_STATES[session.getTaskInfo(task)["state"]], "OPEN")
same(koji.BUILD_STATES[session.getBuild(nvr)["state"]], "BUILDING")
step("finish")
same(session.getTaskResult(task), None)
(build,) = session.listBuilds(taskID=task)
same((build["nvr"], koji.BUILD_STATES[build["state"]], build["source"]), (nvr, "COMPLETE", source))
same([tag["name"] for tag in session.listTags(build["build_id"])], ["f44-updates-candidate"])

# A second build of the same NVR fails, and says why in the way that tasks do.
second = session.build(source, "f44-candidate")
step("fail")
fails(koji.GenericError, session.getTaskResult, second)
assert "already exists" in session.getTaskResult(second, raise_fault=False)["faultString"]
tree = session.getTaskDescendents(second)
same(sorted(tree), [str(second)])

# A third one fails in its own way; its log is there.
third = session.build(source.replace("#1", "#2"), "f44-candidate")
step("break")
(child,) = session.getTaskDescendents(third)[str(third)]
same((child["method"], koji.TASK_STATES[child["state"]]), ("buildArch", "FAILED"))
fails(koji.BuildError, session.getTaskResult, child["id"])
assert int(session.listTaskOutput(child["id"], stat=True, all_volumes=True)["build.log"]["DEFAULT"]["st_size"]) == 12
same(session.downloadTaskOutput(child["id"], "build.log", offset=-6, size=6), b"error\n")
same(session.downloadTaskOutput(child["id"], "build.log", offset=0), b"first\nerror\n")
fails(koji.Fault, session.downloadTaskOutput, child["id"], "build.log", offset=-600)

# Many questions at once; the faults are each question's own.
with session.multicall(strict=False) as many:
    answers = [many.getTaskInfo(task), many.nonsense(), many.getTag("f44")]
same(answers[0].result["id"], task)
fails(koji.GenericError, lambda: answers[1].result)
same(answers[2].result["name"], "f44")

# Tags, and tasks that can be stopped.
tagger = session.tagBuild("f44", build["build_id"])
step("tag")
assert "f44" in [tag["name"] for tag in session.listTags(build["build_id"])]
fourth = session.build(source, "f44-candidate", {"scratch": True})
session.cancelTask(fourth)
same(koji.TASK_STATES[session.getTaskInfo(fourth)["state"]], "CANCELED")
fails(koji.GenericError, session.cancelTask, fourth)

# A session that expired is renewed by itself.
step("expire")
same(session.getLoggedInUser()["name"], "bot")

# Both ways of bringing a file.
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "hello.src.rpm")
    with open(path, "wb") as file:
        file.write(os.urandom(3_000_000))
    session.uploadWrapper(path, "cli-build/one")
    session.opts["use_fast_upload"] = False
    session.uploadWrapper(path, "cli-build/two")
    same(int(session.checkUpload("cli-build/two", "hello.src.rpm")["size"]), 3_000_000)

# An older hub wants its sessions in the query.
step("old")
old = koji.ClientSession(hub, dict(options))
assert old.login()
assert "header-auth" not in old.sinfo
same(old.getLoggedInUser()["name"], "bot")

# The faults that one may try again after.
step("offline")
fails(koji.ServerOffline, session.getTag, "f44")
print("all of it", flush=True)
