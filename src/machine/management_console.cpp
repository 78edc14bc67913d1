#include "machine/management_console.h"

#include <optional>
#include <utility>

namespace ladon::machine {

std::expected<std::unique_ptr<ManagementConsole>, std::string> ManagementConsole::open(
    const std::string& path, std::vector<Verb> verbs, const Log& log) {
  auto wake = EventFd::create();
  if (!wake) return std::unexpected("no descriptor is left for an event");
  std::unique_ptr<ManagementConsole> made(new ManagementConsole(std::move(*wake), std::move(verbs)));
  console::Verbs served;
  for (const Verb& verb : made->verbs_)
    served[verb.name] = [console = made.get(), &verb](const console::Json& arguments) {
      return console->ask(verb, arguments);
    };
  auto server = console::Server::start(path, std::move(served), log);
  if (!server) return std::unexpected(server.error());
  made->server_ = std::move(*server);
  return made;
}

ManagementConsole::~ManagementConsole() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (Asked& asked : asked_) asked.answer.set_value(std::unexpected("the management program ends"));
    asked_.clear();
  }
  server_.reset();
}

ManagementConsole::Answer ManagementConsole::ask(const Verb& verb, const console::Json& arguments) {
  std::future<Answer> answer;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return std::unexpected("the management program ends");
    asked_.push_back({&verb, arguments, {}});
    answer = asked_.back().answer.get_future();
  }
  wake_.signal();
  return answer.get();
}

void ManagementConsole::serve() {
  wake_.take();
  for (;;) {
    std::optional<Asked> next;
    {
      const std::lock_guard lock(mutex_);
      if (asked_.empty()) return;
      next = std::move(asked_.front());
      asked_.pop_front();
    }
    try {
      next->answer.set_value(next->verb->answer(next->arguments));
    } catch (const std::exception&) {
      // Arguments of another type than the verb wants: the server answers for that, on its own thread.
      next->answer.set_exception(std::current_exception());
    }
  }
}

}  // namespace ladon::machine
