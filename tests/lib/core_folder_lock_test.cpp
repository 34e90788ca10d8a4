#include "lib/core/folder_lock.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/lib/core_support.h"

using namespace tacit;

TEST_CASE("a folder is written to by one at a time, and nothing is left of the lock") {
  const ScratchFolder folder;
  {
    const FolderLock first(folder.path(), "test");
    CHECK(error_of([&] { FolderLock(folder.path(), "eval"); }) ==
          "[eval] expected to be alone in writing to " + folder.path().string() + " but somebody else is at it");
    CHECK(FolderLock::if_free(folder.path(), "eval") == nullptr);
    CHECK(folder.names() == std::vector<std::string>{".tacit-lock"});
  }
  CHECK(FolderLock::if_free(folder.path(), "eval") != nullptr);
  CHECK(folder.names().empty());
}

TEST_CASE("what a kill leaves of a lock hinders nobody") {
  const ScratchFolder folder;
  put(folder / ".tacit-lock", "");
  CHECK(error_of([&] { FolderLock(folder.path(), "eval"); }).empty());
  CHECK(folder.names().empty());
}

TEST_CASE("a lock that goes with its file leaves room for one, however many are waiting") {
  const ScratchFolder folder;
  std::atomic<int> holders = 0, most = 0, taken = 0;
  const auto work = [&] {
    for (int own = 0; own < 200;) {
      const auto lock = FolderLock::if_free(folder.path(), "eval");
      if (!lock) continue;
      const int now = ++holders;
      if (now > most) most = now;
      std::this_thread::sleep_for(std::chrono::microseconds(50));  // time for another to come in
      ++own, ++taken;
      --holders;
    }
  };
  std::thread first(work), second(work), third(work);
  for (std::thread* thread : {&first, &second, &third}) thread->join();
  CHECK(most == 1);
  CHECK(taken == 600);
  CHECK(folder.names().empty());
}

TEST_CASE("a folder that is not there: error names the lock's file and the reason") {
  const ScratchFolder folder;
  const std::string error = error_of([&] { FolderLock(folder / "none", "eval"); });
  CHECK(error == "[eval] expected a folder to write to but got \"No such file or directory\" in " +
                     (folder / "none" / ".tacit-lock").string());
}
