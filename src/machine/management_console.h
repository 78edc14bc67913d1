// What the management host's program can be asked while it serves: at a socket of its own, answered on the
// thread that serves, between two events.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/event_fd.h"
#include "base/log.h"
#include "console/server.h"

namespace ladon::machine {

class ManagementConsole {
 public:
  using Answer = std::expected<console::Json, std::string>;
  struct Verb {
    std::string name;
    std::function<Answer(const console::Json& arguments)> answer;  // on the thread that calls serve()
  };
  // The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<ManagementConsole>, std::string> open(
      const std::string& path, std::vector<Verb> verbs, const Log& log);
  // Whoever still waits is told that the program has ended.
  ~ManagementConsole();
  ManagementConsole(const ManagementConsole&) = delete;
  ManagementConsole& operator=(const ManagementConsole&) = delete;

  [[nodiscard]] int fd() const { return wake_.get(); }  // readable when something was asked
  // Answers what has been asked.
  void serve();

 private:
  struct Asked {
    const Verb* verb = nullptr;
    console::Json arguments;
    std::promise<Answer> answer;
  };
  ManagementConsole(EventFd wake, std::vector<Verb> verbs)
      : wake_(std::move(wake)), verbs_(std::move(verbs)) {}
  [[nodiscard]] Answer ask(const Verb& verb, const console::Json& arguments);

  EventFd wake_;
  std::vector<Verb> verbs_;
  std::mutex mutex_;
  bool closed_ = false;
  std::deque<Asked> asked_;
  std::unique_ptr<console::Server> server_;
};

}  // namespace ladon::machine
