"""Two windows of Chromium chat at the page given, as Ann and Bob, each in a browser of its own: Ann comes over
IPv4, Bob over IPv6. The page's CA is trusted as an authority of the user's own. Ann opens a second window under
the same name, and her first one loses its connection.

Arguments: the page's URL, the CA file (a PEM file), and a PNG file for a screenshot of each window (NAME-1.png).
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

page, ca, screenshot = sys.argv[1:4]
host = urlsplit(page).hostname
ANN, BOB = "127.0.0.1", "::1"


def home_that_trusts(folder, ca):
    """A home directory whose certificate store, where Chromium looks on Linux, has the CA for web sites."""
    store = pathlib.Path(folder, ".pki", "nssdb")
    store.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{store}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "elbws", "-t", "C,,", "-i", ca], check=True)


def browser(home, address):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    mapped = f"[{address}]" if ":" in address else address
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
        f"--user-data-dir={home}/profile",
        # A client's address follows from the one that it connects to.
        f"--host-resolver-rules=MAP {host} {mapped}",
    ):
        options.add_argument(argument)
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": f"{home}/.config"}
    environment.pop("XDG_DATA_HOME", None)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"), env=environment)
    return webdriver.Chrome(options=options, service=service)


def wait(driver, condition):
    return WebDriverWait(driver, 15).until(condition)


def enter(driver, name, address):
    wait(driver, lambda d: d.find_element(By.ID, "name").is_displayed())
    driver.find_element(By.ID, "name").clear()
    driver.find_element(By.ID, "name").send_keys(name, Keys.TAB)
    room = driver.switch_to.active_element
    assert room.get_attribute("id") == "room", "the keyboard leads from the name to the room"
    room.send_keys(Keys.ENTER)
    wait(driver, lambda d: d.find_element(By.ID, "state").text == "connected")
    found = driver.find_element(By.ID, "address").text
    assert found == address, f"{name} is {found}, not {address}"


def say(driver, text):
    assert driver.switch_to.active_element.get_attribute("id") == "text", "the message has the focus"
    driver.switch_to.active_element.send_keys(text, Keys.ENTER)


def heard(driver, name, address, text):
    def found(driver):
        for item in driver.find_elements(By.CSS_SELECTOR, "#log li.message"):
            if item.find_element(By.CSS_SELECTOR, ".text").text == text:
                return (
                    item.find_element(By.TAG_NAME, "b").text == name
                    and item.find_element(By.CSS_SELECTOR, ".from code").text == address
                )
        return False

    wait(driver, found)


def own_messages(driver):
    return [item.text for item in driver.find_elements(By.CSS_SELECTOR, "#log li.mine .text")]


def again(driver, name):
    """Another window of the same browser joins with the keys that the first page calls for: Enter."""
    driver.switch_to.new_window("tab")
    driver.get(page)
    wait(driver, lambda d: d.switch_to.active_element.get_attribute("id") == "name")
    assert driver.find_element(By.ID, "name").get_attribute("value") == name, "the name is remembered"
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait(driver, lambda d: d.find_element(By.ID, "state").text == "connected")


def writes_lines(driver):
    """The message's field grows with its lines, and the last of the log stays in sight."""
    field = driver.find_element(By.ID, "text")
    height = field.size["height"]
    field.send_keys("one", Keys.SHIFT, Keys.ENTER, Keys.SHIFT, "two", Keys.SHIFT, Keys.ENTER, Keys.SHIFT, "three")
    assert field.size["height"] > height + 30, (height, field.size)
    end = "const log = document.getElementById('log'); return log.scrollHeight - log.scrollTop - log.clientHeight"
    wait(driver, lambda d: d.execute_script(end) < 2)
    field.send_keys(Keys.ENTER)
    wait(driver, lambda d: own_messages(d)[-1:] == ["one\ntwo\nthree"])
    assert field.size["height"] == height, (height, field.size)


def comes_back(driver, said):
    """A connection that is lost is made anew, with the history and what was this window's own in it."""
    driver.execute_script("window.lost = socket; socket.close()")
    wait(driver, lambda d: d.execute_script("return socket && socket !== lost && socket.readyState === 1"))
    wait(driver, lambda d: d.find_element(By.ID, "state").text == "connected")
    wait(driver, lambda d: own_messages(d) == said)


def is_distrusted(stack):
    """Without the CA in its store the same browser refuses the page, so it is the store that counts."""
    home = stack.enter_context(tempfile.TemporaryDirectory())
    driver = browser(home, ANN)
    stack.callback(driver.quit)
    driver.get(page)
    assert "ERR_CERT_AUTHORITY_INVALID" in driver.page_source, driver.page_source
    assert not driver.find_elements(By.ID, "name"), "a stranger's CA is trusted"


with ExitStack() as stack:
    is_distrusted(stack)
    windows = []
    for address in (ANN, BOB):
        home = stack.enter_context(tempfile.TemporaryDirectory())
        home_that_trusts(home, ca)
        driver = browser(home, address)
        stack.callback(driver.quit)
        windows.append(driver)
    ann, bob = windows
    ann.set_window_size(1000, 720)
    ann.get(page)
    enter(ann, "Ann", ANN)
    bob.set_window_size(420, 800)
    bob.get(page)
    enter(bob, "Bob", BOB)
    say(bob, "Hello Ann, <b>this</b> came over a secure WebSocket.")
    heard(ann, "Bob", BOB, "Hello Ann, <b>this</b> came over a secure WebSocket.")
    say(ann, "And back. The load balancer ends TLS, and the proxy knows who you are.")
    heard(bob, "Ann", ANN, "And back. The load balancer ends TLS, and the proxy knows who you are.")
    for number, window in enumerate(windows, 1):
        window.save_screenshot(screenshot.replace(".png", f"-{number}.png"))
    first = ann.current_window_handle
    again(ann, "Ann")
    assert own_messages(ann) == [], "what the other window said is not this one's"
    who = ann.find_element(By.ID, "who").text
    assert who == f"Ann, seen as {ANN} – with Ann and Bob", who
    writes_lines(ann)
    ann.switch_to.window(first)
    heard(ann, "Ann", ANN, "one\ntwo\nthree")
    said = ["And back. The load balancer ends TLS, and the proxy knows who you are."]
    assert own_messages(ann) == said, own_messages(ann)
    comes_back(ann, said)
    ann.find_element(By.ID, "leave").send_keys(Keys.ENTER)
    wait(ann, lambda d: d.switch_to.active_element.get_attribute("id") == "name")
print("chatted")
